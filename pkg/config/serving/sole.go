package serving

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// SoleEnv has the options of a server that is the only process of a vassal, as text. Such a server has
// no master: it speaks the emperor's protocol itself.
const SoleEnv = "VASSAL_SERVER_SOLE"

// Sole has what the server needs, as the only process of a vassal, beside its own options.
type Sole struct {
	// Mercy is the time between a request to stop and the end of this process, and Ready the time in
	// which the server must be ready, after its start and after a reload.
	Mercy, Ready time.Duration
	// Backlog, KeepAlive, NoDelay, FreeBind, UID, GID and Mode are for sockets that a reload adds. UID and
	// GID are -1 for unchanged, and so is Mode.
	Backlog, UID, GID, Mode      int
	KeepAlive, NoDelay, FreeBind bool
	// Sockets are the sockets of the configuration. At the start they are bound, in the order of LISTEN_FDS.
	Sockets []Bound
}

// Bound is a socket, as it is written in a configuration.
type Bound struct {
	Name, Address string
	// Place is the beginning of errors about it.
	Place string
}

// soleRows are the rows of Sole, which only the emperor sets.
var soleRows = option.Rows[Options]{
	{Name: "bound", Group: "Sockets", Arg: "NAME ADDRESS", Repeat: true, Help: "a socket of the vassal", Set: func(o *Options, v option.Value) error {
		name, address, ok := strings.Cut(v.Text, " ")
		if !ok {
			return option.Wrong("there is no address", "")
		}
		o.Sole.Sockets = append(o.Sole.Sockets, Bound{name, address, v.Origin.File})
		return nil
	}},
	{Name: "sole", Group: "Sockets", Arg: "NUMBERS", Help: "the rest of Sole", Set: func(o *Options, v option.Value) error {
		return o.Sole.setNumbers(v.Text)
	}},
}

// numbers returns the row "sole".
func (s *Sole) numbers() string {
	text := make([]string, 0, 9)
	for _, n := range []int64{int64(s.Mercy), int64(s.Ready), int64(s.Backlog), int64(s.UID), int64(s.GID), int64(s.Mode)} {
		text = append(text, strconv.FormatInt(n, 10))
	}
	for _, b := range []bool{s.KeepAlive, s.NoDelay, s.FreeBind} {
		text = append(text, strconv.FormatBool(b))
	}
	return strings.Join(text, " ")
}

// setNumbers parses the row "sole".
func (s *Sole) setNumbers(text string) error {
	words := strings.Fields(text)
	if len(words) != 9 {
		return option.Wrong("there are not nine numbers", "")
	}
	var numbers [6]int64
	for i := range numbers {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	s.Mercy, s.Ready = time.Duration(numbers[0]), time.Duration(numbers[1])
	s.Backlog, s.UID, s.GID, s.Mode = int(numbers[2]), int(numbers[3]), int(numbers[4]), int(numbers[5])
	for i, flag := range []*bool{&s.KeepAlive, &s.NoDelay, &s.FreeBind} {
		b, err := strconv.ParseBool(words[6+i])
		if err != nil {
			return err
		}
		*flag = b
	}
	return nil
}

// WithSole returns the written form of the options of a server that is the only process of a vassal.
func (o Options) WithSole(s Sole) ([]byte, error) {
	o.Written = o.Written[:len(o.Written):len(o.Written)]
	o.Written = append(o.Written, Written{Name: "sole", Text: s.numbers()})
	for _, b := range s.Sockets {
		o.Written = append(o.Written, Written{"bound", b.Name + " " + b.Address, b.Place})
	}
	for _, w := range o.Written {
		if strings.Contains(w.Name+w.Text+w.Origin, "\x00") {
			return nil, option.Wrong("there is a NUL byte in the value", "")
		}
	}
	return o.encode(), nil
}

// SoleVariable returns the variable of SoleEnv for options in their written form.
func SoleVariable(written []byte) string {
	return SoleEnv + "=" + base64.RawStdEncoding.EncodeToString(written)
}

// InheritedSole returns the options of SoleEnv, and removes the variable from the environment. It returns
// nil without the variable.
func InheritedSole() (*Options, error) {
	text, ok := os.LookupEnv(SoleEnv)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(SoleEnv); err != nil {
		return nil, err
	}
	written, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read the server's options: %w", err)
	}
	return Decode(written)
}

// Decode parses options in their written form. An unknown option is an error, because it could be a
// protection.
func Decode(written []byte) (*Options, error) { return decode(string(written)) }
