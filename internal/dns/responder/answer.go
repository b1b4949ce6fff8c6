package responder

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/emperor-go/emperor/internal/dns"
)

const (
	// lifetime is how long an answer may be kept, in seconds. Vassals come and go.
	lifetime = 5
	// payload is the longest datagram that is sent with EDNS (RFC 6891, and the DNS flag day
	// of 2020).
	payload = 1232
	zone    = "." + dns.Zone + "."
)

// question is a message of a vassal, as far as it is understood.
type question struct {
	header dnsmessage.Header
	asked  dnsmessage.Question
	name   string // in small letters, with a dot at its end
	edns   bool
}

// errNoQuestion: a message is not a question, and gets no answer: two programs that answer each
// other's answers would never end.
var errNoQuestion = errors.New("not a question")

// parse reads a message. With an error other than errNoQuestion the header is valid, and the code
// is the answer.
func parse(message []byte) (q question, code dnsmessage.RCode, err error) {
	var p dnsmessage.Parser
	if q.header, err = p.Start(message); err != nil || q.header.Response {
		return q, 0, errNoQuestion
	}
	if q.header.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, errors.New("not a query")
	}
	list, err := p.AllQuestions()
	if err == nil && len(list) != 1 {
		err = errors.New("not one question")
	}
	if err == nil {
		q.asked = list[0]
		q.name = strings.ToLower(q.asked.Name.String())
		err = errors.Join(p.SkipAllAnswers(), p.SkipAllAuthorities())
	}
	for err == nil {
		var h dnsmessage.ResourceHeader
		if h, err = p.AdditionalHeader(); err == nil {
			q.edns = q.edns || h.Type == dnsmessage.TypeOPT
			err = p.SkipAdditional()
		}
	}
	if !errors.Is(err, dnsmessage.ErrSectionDone) {
		return q, dnsmessage.RCodeFormatError, err
	}
	return q, dnsmessage.RCodeSuccess, nil
}

// Answer returns the answer to a message, or nil where there is none to give. Pass: other
// nameservers have to answer.
func (t *Table) Answer(asker netip.Addr, message []byte) (answer []byte, pass bool) {
	q, code, err := parse(message)
	switch {
	case errors.Is(err, errNoQuestion):
		return nil, false
	case err != nil:
		return q.refuse(code), false
	case q.asked.Class != dnsmessage.ClassINET:
		return nil, true
	case q.name == zone[1:]:
		return q.reply(nil, true), false
	case strings.HasSuffix(q.name, zone):
		addresses, exists := t.Lookup(asker, strings.TrimSuffix(q.name, zone))
		return q.reply(q.addresses(addresses), exists), false
	}
	if address, ok := reversed(q.name); ok {
		if name, ours := t.NameOf(asker, address); ours {
			return q.reply(q.pointer(name), name != ""), false
		}
	}
	return nil, true
}

// refuse returns an answer with a code only.
func (q question) refuse(code dnsmessage.RCode) []byte {
	return q.build(code, nil)
}

// record adds a record to an answer.
type record func(b *dnsmessage.Builder, h dnsmessage.ResourceHeader) error

// wants reports whether the question is for records of a type.
func (q question) wants(t dnsmessage.Type) bool {
	return q.asked.Type == t || q.asked.Type == dnsmessage.TypeALL
}

func (q question) addresses(list []netip.Addr) (records []record) {
	for _, a := range list {
		switch {
		case a.Is4() && q.wants(dnsmessage.TypeA):
			records = append(records, func(b *dnsmessage.Builder, h dnsmessage.ResourceHeader) error {
				return b.AResource(h, dnsmessage.AResource{A: a.As4()})
			})
		case a.Is6() && q.wants(dnsmessage.TypeAAAA):
			records = append(records, func(b *dnsmessage.Builder, h dnsmessage.ResourceHeader) error {
				return b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
			})
		}
	}
	return records
}

func (q question) pointer(name string) []record {
	to, err := dnsmessage.NewName(name + zone)
	if name == "" || err != nil || !q.wants(dnsmessage.TypePTR) {
		return nil
	}
	return []record{func(b *dnsmessage.Builder, h dnsmessage.ResourceHeader) error {
		return b.PTRResource(h, dnsmessage.PTRResource{PTR: to})
	}}
}

// reply returns an answer with records, or one without records, or an error that the name
// does not exist. Without records it has the record of the zone, by which resolvers know how long
// they may keep that (RFC 2308).
func (q question) reply(records []record, exists bool) []byte {
	if !exists {
		return q.build(dnsmessage.RCodeNameError, nil)
	}
	return q.build(dnsmessage.RCodeSuccess, records)
}

// build makes an answer. When that fails, which no question should cause, there is none.
func (q question) build(code dnsmessage.RCode, records []record) []byte {
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{
		ID: q.header.ID, Response: true, OpCode: q.header.OpCode, Authoritative: code == dnsmessage.RCodeSuccess || code == dnsmessage.RCodeNameError,
		RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, RCode: code,
	})
	b.EnableCompression()
	var failed []error
	fail := func(err error) { failed = append(failed, err) }
	if q.name != "" {
		fail(b.StartQuestions())
		fail(b.Question(q.asked))
	}
	fail(b.StartAnswers())
	for _, r := range records {
		fail(r(&b, dnsmessage.ResourceHeader{Name: q.asked.Name, Class: dnsmessage.ClassINET, TTL: lifetime}))
	}
	if len(records) == 0 && (code == dnsmessage.RCodeNameError || code == dnsmessage.RCodeSuccess) {
		fail(b.StartAuthorities())
		fail(b.SOAResource(dnsmessage.ResourceHeader{Name: zoneName, Class: dnsmessage.ClassINET, TTL: lifetime}, authority))
	}
	if q.edns {
		var h dnsmessage.ResourceHeader
		fail(h.SetEDNS0(payload, dnsmessage.RCodeSuccess, false))
		fail(b.StartAdditionals())
		fail(b.OPTResource(h, dnsmessage.OPTResource{}))
	}
	if errors.Join(failed...) != nil {
		return nil
	}
	answer, err := b.Finish()
	if err != nil {
		return nil
	}
	return answer
}

var (
	zoneName  = dnsmessage.MustNewName(zone[1:])
	authority = dnsmessage.SOAResource{
		NS: dnsmessage.MustNewName(dns.HostLabel + zone), MBox: dnsmessage.MustNewName("."),
		Serial: 1, Refresh: lifetime, Retry: lifetime, Expire: lifetime, MinTTL: lifetime,
	}
)
