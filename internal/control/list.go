package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// List is the answer to a request for all vassals.
type List struct {
	Vassals []Vassal `json:"vassals"`
}

// piece is how many bytes of a list are sent at once. The client reads the first vassals while the others
// are encoded.
const piece = 32 << 10

// ListPath returns the path of a request for some fields of all vassals, by their names in JSON. Without
// names it is for all fields. An emperor of an earlier version answers with all fields.
func ListPath(fields ...string) string {
	if len(fields) == 0 {
		return "/vassals"
	}
	return "/vassals?fields=" + strings.Join(fields, ",")
}

// list answers with the fields of all vassals that the client wants.
func list(s *Server, r *http.Request) (any, error) {
	fields, err := wanted(r)
	if err != nil {
		return nil, err
	}
	vassal, n, err := s.each(r.Context())
	return &pieces{vassal, n, fields}, err
}

// wanted returns the fields that a request names, in the order of Vassal; all without names.
func wanted(r *http.Request) ([]field, error) {
	text := r.URL.Query().Get("fields")
	if text == "" {
		return vassalFields(), nil
	}
	names := strings.Split(text, ",")
	var fields []field
	for _, f := range vassalFields() {
		if slices.Contains(names, f.name) {
			fields = append(fields, f)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return nil, &Error{Message: fmt.Sprintf("fields: a vassal has no %q", name), Code: http.StatusBadRequest}
		}
	}
	return fields, nil
}

// pieces is a List that is sent in pieces, with some fields of the vassals.
type pieces struct {
	vassal func(i int) Vassal
	n      int
	fields []field
}

// writeTo sends the list.
func (p *pieces) writeTo(w io.Writer) error {
	buffer := append(make([]byte, 0, piece+4<<10), `{"vassals":[`...)
	var (
		v   Vassal // one after the other, in the same memory
		err error
	)
	for i := range p.n {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		v = p.vassal(i)
		if buffer, err = appendFields(buffer, p.fields, &v); err != nil {
			return err
		}
		if len(buffer) < piece {
			continue
		}
		if _, err := w.Write(buffer); err != nil {
			return err
		}
		buffer = buffer[:0]
	}
	_, err = w.Write(append(buffer, "]}\n"...))
	return err
}

// readFrom reads a list while it arrives.
func (l *List) readFrom(in *json.Decoder) error {
	l.Vassals = []Vassal{}
	if err := opens(in, '{'); err != nil {
		return err
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return err
		}
		if key != "vassals" {
			var other json.RawMessage
			if err := in.Decode(&other); err != nil {
				return err
			}
			continue
		}
		if err := l.readVassals(in); err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}

func (l *List) readVassals(in *json.Decoder) error {
	if err := opens(in, '['); err != nil {
		return err
	}
	var parts [][]Vassal // one growing slice would be copied again and again
	for in.More() {
		if last := len(parts) - 1; last < 0 || len(parts[last]) == cap(parts[last]) {
			parts = append(parts, make([]Vassal, 0, 128))
		}
		part := &parts[len(parts)-1]
		*part = (*part)[:len(*part)+1]
		if err := in.Decode(&(*part)[len(*part)-1]); err != nil {
			return err
		}
	}
	if len(parts) > 0 {
		l.Vassals = slices.Concat(parts...)
	}
	_, err := in.Token()
	return err
}

// opens reads the beginning of an object or an array.
func opens(in *json.Decoder, with json.Delim) error {
	switch token, err := in.Token(); {
	case err != nil:
		return err
	case token != with:
		return fmt.Errorf("%v instead of %v", token, with)
	}
	return nil
}
