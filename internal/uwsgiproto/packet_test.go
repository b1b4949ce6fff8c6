package uwsgiproto

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

// packet is a command for an emperor, as uWSGI's clients send it.
const packet = "\x00\x13\x00\x00\x03\x00cmd\x04\x00stop\x01\x00v\x03\x00a.i"

var vars = map[string]string{"cmd": "stop", "v": "a.i"}

func TestVars(t *testing.T) {
	body, err := Body([]byte(packet))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Vars(body); err != nil || !maps.Equal(got, vars) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Vars([]byte("\x01\x00a\x01\x00b\x01\x00a\x01\x00c")); err != nil || got["a"] != "c" {
		t.Errorf("a name twice: %v, %v", got, err)
	}
	for _, bad := range []string{"\x03", "\x03\x00c", "\x03\x00cmd", "\x03\x00cmd\x01", "\x00\x00\x00\x00"} {
		if got, err := Vars([]byte(bad)); !errors.Is(err, ErrPacket) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

func TestBody(t *testing.T) {
	if body, err := Body(make([]byte, 4)); err != nil || len(body) > 0 {
		t.Errorf("an empty one: %v, %v", body, err)
	}
	for _, bad := range []string{"", "abc", packet[:len(packet)-1], packet + "x"} {
		if _, err := Body([]byte(bad)); !errors.Is(err, ErrPacket) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestRead: a packet is read up to its end, and no further.
func TestRead(t *testing.T) {
	r := strings.NewReader("\x73\x02\x00\x09abcd")
	h, err := ReadHeader(r)
	if err != nil || h != (Header{Config, 2}) {
		t.Fatalf("%+v, %v", h, err)
	}
	if body, err := h.ReadBody(r); err != nil || string(body) != "ab" || r.Len() != 2 {
		t.Errorf("%q, %v, %d left", body, err, r.Len())
	}
	if _, err := (Header{Size: 3}).ReadBody(r); err == nil {
		t.Error("a body that is cut off is no error")
	}
	if _, err := ReadHeader(strings.NewReader("\x00\x00")); err == nil {
		t.Error("a header that is cut off is no error")
	}
}

func TestPacket(t *testing.T) {
	got, err := Packet(Config, []byte("ab"))
	if err != nil || string(got) != "\x73\x02\x00\x00ab" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Packet(Request, make([]byte, MaxBody)); err != nil || len(got) != 4+MaxBody {
		t.Errorf("the largest has %d bytes, %v", len(got), err)
	}
	large := strings.Repeat("x", MaxBody+1)
	for name, make := range map[string]func() ([]byte, error){
		"a body":     func() ([]byte, error) { return Packet(Request, []byte(large)) },
		"a value":    func() ([]byte, error) { return VarsPacket(map[string]string{"a": large}) },
		"all values": func() ([]byte, error) { return VarsPacket(map[string]string{"a": large[2:], "b": "c"}) },
	} {
		if _, err := make(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzVars(f *testing.F) {
	f.Add([]byte(packet[4:]))
	f.Add([]byte("\x09\x00ab"))
	f.Fuzz(func(t *testing.T, body []byte) {
		vars, err := Vars(body)
		if err != nil || len(body) > MaxBody {
			return
		}
		packet, err := VarsPacket(vars)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Body(packet)
		if err != nil || len(again) > len(body) {
			t.Fatalf("%d bytes have become %d, %v", len(body), len(again), err)
		}
		if got, err := Vars(again); err != nil || !maps.Equal(got, vars) {
			t.Errorf("%v has become %v, %v", vars, got, err)
		}
	})
}
