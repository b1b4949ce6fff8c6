package address

import "testing"

// A name is an address of the hosts file, of IPv4 where there is one.
func TestHostsFile(t *testing.T) {
	const text = "127.0.0.1 localhost\n# 10.0.0.9 shop\n::1 shop6 both\n10.0.0.7\tshop shop.example # and a comment shop2\n10.0.0.8 Both\nnonsense odd\n"
	for name, want := range map[string]string{
		"shop": "10.0.0.7", "shop.example": "10.0.0.7", "SHOP": "10.0.0.7", "shop6": "::1", "both": "10.0.0.8",
		"shop2": "", "odd": "", "comment": "", "10.0.0.7": "", "": "",
	} {
		ip, ok := inHosts(text, name)
		if got := map[bool]string{true: ip.String()}[ok]; got != want {
			t.Errorf("%q is %q, not %q", name, got, want)
		}
	}
}
