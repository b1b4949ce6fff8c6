package wire

import (
	"encoding/json"

	"github.com/emperor-go/emperor/internal/dialect"
)

// Templates are the operator's text around the configuration of each vassal. On the channel all
// texts are bytes, because names of files on Linux need not be UTF-8.
type Templates dialect.Templates

// sent is the form of Templates on the channel.
type sent struct {
	InheritBefore, IncludeBefore []template
	Set                          [][]byte
	Inherit, Include             []template
	VassalMagic                  bool
}

// template is a file as it was read.
type template struct{ Name, Path, Data []byte }

// pair is the same list in both forms.
type pair struct {
	sources *[]dialect.Source
	sent    *[]template
}

func (t *Templates) lists(s *sent) [4]pair {
	return [4]pair{
		{&t.InheritBefore, &s.InheritBefore}, {&t.IncludeBefore, &s.IncludeBefore}, {&t.Inherit, &s.Inherit}, {&t.Include, &s.Include},
	}
}

// MarshalJSON implements json.Marshaler.
func (t Templates) MarshalJSON() ([]byte, error) {
	s := sent{VassalMagic: t.VassalMagic}
	for _, option := range t.Set {
		s.Set = append(s.Set, []byte(option))
	}
	for _, p := range t.lists(&s) {
		for _, f := range *p.sources {
			*p.sent = append(*p.sent, template{[]byte(f.Name), []byte(f.Path), f.Data})
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Templates) UnmarshalJSON(text []byte) error {
	var s sent
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*t = Templates{VassalMagic: s.VassalMagic}
	for _, option := range s.Set {
		t.Set = append(t.Set, string(option))
	}
	for _, p := range t.lists(&s) {
		for _, f := range *p.sent {
			*p.sources = append(*p.sources, dialect.Source{Name: string(f.Name), Path: string(f.Path), Data: f.Data})
		}
	}
	return nil
}
