package responder

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/emperor-go/emperor/internal/dns"
)

func address(text string) netip.Addr { return netip.MustParseAddr(text) }

// newTable has three vassals: shop.ini lets blog.ini in, and mail.ini lets no vassal in.
func newTable() *Table {
	t := NewTable(dns.Setup{
		Gateways: []netip.Addr{address("10.1.0.1"), address("fd00::1")},
		Pool:     []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd00::/64")},
	})
	for _, v := range []dns.Vassal{
		{Name: "shop.ini", Addresses: []netip.Addr{address("10.1.0.2"), address("fd00::2")}, From: []netip.Prefix{netip.MustParsePrefix("10.1.0.3/32")}},
		{Name: "blog.ini", Addresses: []netip.Addr{address("10.1.0.3"), address("fd00::3")}},
		{Name: "mail.ini", Addresses: []netip.Addr{address("10.1.0.4")}},
	} {
		t.Change(dns.Message{Set: &v})
	}
	return t
}

const (
	host = "10.1.0.1"
	shop = "10.1.0.2"
	blog = "10.1.0.3"
	mail = "10.1.0.4"
)

// query packs a question.
func query(t testing.TB, name string, kind dnsmessage.Type, change ...func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	for _, c := range change {
		c(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// render prints an answer: its code and its records.
func render(t testing.TB, answer []byte) string {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		t.Fatalf("the answer cannot be read: %v", err)
	}
	s := strings.TrimPrefix(m.RCode.String(), "RCode")
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			s += " " + netip.AddrFrom4(b.A).String()
		case *dnsmessage.AAAAResource:
			s += " " + netip.AddrFrom16(b.AAAA).String()
		case *dnsmessage.PTRResource:
			s += " " + b.PTR.String()
		default:
			t.Fatalf("the answer has %v", r)
		}
		if r.Header.TTL != lifetime {
			t.Errorf("a record lives for %d s", r.Header.TTL)
		}
	}
	if soa := len(m.Authorities) == 1; len(m.Answers) == 0 && !soa && (m.RCode == dnsmessage.RCodeSuccess || m.RCode == dnsmessage.RCodeNameError) {
		t.Error("a resolver cannot know how long it may keep this")
	}
	if !m.Response {
		t.Error("the answer is a question")
	}
	return s
}

// Each vassal sees the names of the vassals that let it in, its own and the host's.
func TestNames(t *testing.T) {
	table := newTable()
	const a, aaaa, ptr = dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypePTR
	for _, c := range []struct {
		asker, name string
		kind        dnsmessage.Type
		want        string
	}{
		{shop, "shop.emperor.internal.", a, "Success 10.1.0.2"},
		{shop, "SHOP.ini.Emperor.Internal.", aaaa, "Success fd00::2"},
		{blog, "shop.emperor.internal.", a, "Success 10.1.0.2"},
		{blog, "shop.emperor.internal.", dnsmessage.TypeALL, "Success 10.1.0.2 fd00::2"},
		{blog, "shop.emperor.internal.", dnsmessage.TypeTXT, "Success"},
		{shop, "blog.emperor.internal.", a, "NameError"}, // it exists, and does not let shop.ini in
		{mail, "shop.emperor.internal.", a, "NameError"},
		{"fd00::3", "shop.emperor.internal.", a, "NameError"}, // only the other address was let in
		{mail, "mail.emperor.internal.", aaaa, "Success"},
		{mail, "absent.emperor.internal.", a, "NameError"},
		{mail, "host.emperor.internal.", a, "Success 10.1.0.1"},
		{mail, "host.emperor.internal.", aaaa, "Success fd00::1"},
		{mail, "emperor.internal.", a, "Success"},
		{host, "mail.emperor.internal.", a, "Success 10.1.0.4"},
		{blog, "2.0.1.10.in-addr.arpa.", ptr, "Success shop.emperor.internal."},
		{blog, "2.0.1.10.in-addr.arpa.", a, "Success"},
		{shop, "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", ptr, "Success shop.emperor.internal."},
		{mail, "1.0.1.10.in-addr.arpa.", ptr, "Success host.emperor.internal."},
		{mail, "2.0.1.10.in-addr.arpa.", ptr, "NameError"},
		{mail, "99.0.1.10.in-addr.arpa.", ptr, "NameError"},
		{mail, "2.0.2.10.in-addr.arpa.", ptr, "passed on"},
		{mail, "02.0.1.10.in-addr.arpa.", ptr, "passed on"},
		{mail, "example.org.", a, "passed on"},
		{mail, "notemperor.internal.", a, "passed on"},
	} {
		answer, pass := table.Answer(address(c.asker), query(t, c.name, c.kind))
		got := "passed on"
		if !pass {
			got = render(t, answer)
		}
		if got != c.want {
			t.Errorf("%s asks for %s %v: %s, want %s", c.asker, c.name, c.kind, got, c.want)
		}
	}
}

// A name that two vassals have leads to neither until one of them is gone.
func TestNameOfTwoVassals(t *testing.T) {
	table := newTable()
	table.Change(dns.Message{Set: &dns.Vassal{Name: "mail.xml", Addresses: []netip.Addr{address("10.1.0.5")}}})
	ask := func(name string) string {
		answer, _ := table.Answer(address(host), query(t, name, dnsmessage.TypeA))
		return render(t, answer)
	}
	for name, want := range map[string]string{
		"mail.emperor.internal.": "NameError", "mail.ini.emperor.internal.": "Success 10.1.0.4", "mail.xml.emperor.internal.": "Success 10.1.0.5",
	} {
		if got := ask(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	answer, _ := table.Answer(address(host), query(t, "4.0.1.10.in-addr.arpa.", dnsmessage.TypePTR))
	if got := render(t, answer); got != "Success mail.ini.emperor.internal." {
		t.Errorf("the name of the address is %s", got)
	}
	table.Change(dns.Message{Remove: "mail.xml"})
	table.Change(dns.Message{Remove: "mail.xml"})
	if got := ask("mail.emperor.internal."); got != "Success 10.1.0.4" {
		t.Errorf("alone again: %s", got)
	}
	if table.Knows(address("10.1.0.5")) || !table.Knows(address(mail)) || table.Knows(address("192.0.2.1")) {
		t.Error("others than vassals may ask")
	}
}

func TestVassalsThatMayTalk(t *testing.T) {
	table := newTable()
	table.between = true
	answer, _ := table.Answer(address(mail), query(t, "shop.emperor.internal.", dnsmessage.TypeA))
	if got := render(t, answer); got != "Success 10.1.0.2" {
		t.Errorf("the answer is %s", got)
	}
}

func TestMistakenQuestions(t *testing.T) {
	table := newTable()
	const name, kind = "shop.emperor.internal.", dnsmessage.TypeA
	two := func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }
	for what, c := range map[string]struct {
		message []byte
		want    string
	}{
		"two questions":  {query(t, name, kind, two), "FormatError"},
		"no question":    {query(t, name, kind, func(m *dnsmessage.Message) { m.Questions = nil }), "FormatError"},
		"an update":      {query(t, name, kind, func(m *dnsmessage.Message) { m.OpCode = 5 }), "NotImplemented"},
		"an answer":      {query(t, name, kind, func(m *dnsmessage.Message) { m.Response = true }), "none"},
		"half a header":  {query(t, name, kind)[:11], "none"},
		"half a name":    {query(t, name, kind)[:20], "FormatError"},
		"nothing":        {nil, "none"},
		"half an option": {append(query(t, name, kind)[:11], append([]byte{1}, query(t, name, kind)[12:]...)...), "FormatError"},
	} {
		answer, pass := table.Answer(address(shop), c.message)
		got := "none"
		if pass {
			got = "passed on"
		} else if answer != nil {
			got = render(t, answer)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

// A question with EDNS gets an answer with it.
func TestEDNS(t *testing.T) {
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(4096, 0, true); err != nil {
		t.Fatal(err)
	}
	m := query(t, "shop.emperor.internal.", dnsmessage.TypeA, func(m *dnsmessage.Message) {
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	})
	answer, _ := newTable().Answer(address(shop), m)
	var got dnsmessage.Message
	if err := got.Unpack(answer); err != nil || len(got.Additionals) != 1 || got.Additionals[0].Header.Type != dnsmessage.TypeOPT || got.Additionals[0].Header.Class != payload {
		t.Errorf("the answer is %+v, %v", got, err)
	}
	if got.ID != 4711 || !got.RecursionDesired || !got.RecursionAvailable || !got.Authoritative {
		t.Errorf("the header is %+v", got.Header)
	}
}

// No message makes an answer that cannot be read, that is too long for a datagram, or that
// contains the address of a vassal that the asker may not reach.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"shop.emperor.internal.", "mail.emperor.internal.", "4.0.1.10.in-addr.arpa.", "example.org."} {
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypePTR, dnsmessage.TypeALL} {
			f.Add(query(f, name, kind))
		}
	}
	table := newTable()
	f.Fuzz(func(t *testing.T, message []byte) {
		answer, pass := table.Answer(address(blog), message)
		if answer == nil {
			return
		}
		if pass || len(answer) > 512+64 {
			t.Fatalf("passed on is %v, with %d bytes", pass, len(answer))
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil {
			t.Fatalf("the answer cannot be read: %v", err)
		}
		if said := fmt.Sprint(m.GoString()); !m.Response || strings.Contains(said, "10, 1, 0, 4") || strings.Contains(said, "mail.emperor.internal.") && m.RCode == dnsmessage.RCodeSuccess && len(m.Answers) > 0 {
			t.Fatalf("the answer is %s", said)
		}
	})
}
