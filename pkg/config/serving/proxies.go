package serving

import (
	"net/netip"
	"strconv"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// addProxies adds a prefix, or one address.
func addProxies(o *Options, v option.Value) error {
	p, err := netip.ParsePrefix(v.Text)
	if a, one := netip.ParseAddr(v.Text); one == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || p.Addr().Is4In6() {
		return option.Wrong(strconv.Quote(v.Text)+" is neither a prefix nor an address", "proxy-protocol-from = 10.0.0.0/8")
	}
	o.ProxyProtocolFrom = append(o.ProxyProtocolFrom, p)
	return nil
}
