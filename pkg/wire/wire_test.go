package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// The bytes are a contract with programs we do not build: a change here is a
// break, whatever else passes.
func TestBytesAreThoseOfUWSGI(t *testing.T) {
	commands := map[Command]byte{Stop: 0, Reload: 1, StopGracefully: 2}
	for c, want := range commands {
		if byte(c) != want {
			t.Errorf("%v is byte %d, want %d", c, byte(c), want)
		}
	}
	reports := map[Report]byte{Spawned: 1, SendConfig: 2, Accepting: 5, Loyal: 17, Withdraw: 22, Heartbeat: 26, Reinforce: 30}
	for r, want := range reports {
		if byte(r) != want {
			t.Errorf("%v is byte %d, want %d", r, byte(r), want)
		}
	}
}

func TestEveryByteHasAName(t *testing.T) {
	if got := Report(99).String(); got != "report(99)" {
		t.Errorf("unknown report prints %q", got)
	}
	if got := Command(99).String(); got != "command(99)" {
		t.Errorf("unknown command prints %q", got)
	}
	for _, r := range []Report{Spawned, SendConfig, Accepting, Loyal, Withdraw, Heartbeat, Reinforce} {
		if strings.HasPrefix(r.String(), "report(") {
			t.Errorf("report %d has no name", byte(r))
		}
	}
}

func TestOrderArrivesAsItWasSent(t *testing.T) {
	want := Order{
		Name:       []byte("a\xff\n\".ini"),
		Path:       []byte("/etc/vassals/a\xff\n\".ini"),
		Config:     []byte("[uwsgi]\nname = \xfe\x00\n"),
		Namespaces: "pid,net",
		Hooks:      []Hook{{Phase: "as-vassal", Kind: "exec", Text: "echo 'x'", Origin: "emperor.ini:3"}},
	}
	var b bytes.Buffer
	if err := WriteOrder(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadOrder(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadOrderRefuses(t *testing.T) {
	var whole bytes.Buffer
	if err := WriteOrder(&whole, Order{Name: []byte("a.ini")}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, in, want string
	}{
		{"nothing", "", "the order was withdrawn"},
		{"half an order", whole.String()[:whole.Len()/2], "cannot read order: unexpected end of JSON input"},
		{"too large", strings.Repeat(" ", MaxOrder+1), "cannot read order: larger than 4194304 bytes"},
	}
	for _, tt := range tests {
		_, err := ReadOrder(strings.NewReader(tt.in))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := ReadOrder(strings.NewReader("")); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("no order: %v, want ErrWithdrawn", err)
	}
}

// Whatever a broken or hostile peer writes, reading ends with an order or an
// error, and an order that was read can be written again.
func FuzzReadOrder(f *testing.F) {
	f.Add([]byte(`{"Name":"YQ==","Hooks":[{"Phase":"as-vassal"}]}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := ReadOrder(bytes.NewReader(in))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteOrder(&b, o); err != nil {
			t.Fatal(err)
		}
		again, err := ReadOrder(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Name, o.Name) || !bytes.Equal(again.Config, o.Config) {
			t.Errorf("%+v became %+v", o, again)
		}
	})
}
