package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// connect returns both ends of a channel.
func connect(t *testing.T) (emperor *EmperorEnd, vassal *VassalEnd) {
	t.Helper()
	emperor, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(theirs.Fd()))
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	vassal = NewVassalEnd(fd)
	t.Cleanup(func() { emperor.Close(); vassal.Close() })
	return emperor, vassal
}

func TestOrdersArriveAsTheyWereSent(t *testing.T) {
	emperor, vassal := connect(t)
	first := Order{
		Serial: 1, Name: []byte("a\xff\n\".ini"), Path: []byte("/etc/vassals/a\xff\n\".ini"),
		Config: []byte("[uwsgi]\nname = \xfe\x00\n"), Namespaces: "pid,net",
		Hooks: []hooks.Spec{{Phase: "as-vassal", Kind: "exec", Text: "echo 'x'", Origin: "emperor.ini:3"}},
	}
	second := Order{Serial: 2, Name: []byte("a"), Config: bytes.Repeat([]byte("x = y\n"), 1<<20/6)} // larger than any socket buffer
	for _, o := range []Order{first, second} {
		if err := emperor.SendOrder(o); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []Order{first, second} {
		got, err := vassal.ReceiveOrder()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("order %d is not what was sent", want.Serial)
		}
	}
}

func TestNoticesArriveAsTheyWereSent(t *testing.T) {
	emperor, vassal := connect(t)
	want := Notice{Serial: 2, Kind: Failed, Text: "a.ini:3: \"x\" is not a time"}
	vassal.Post(want)
	vassal.Post(Notice{Kind: Status, Text: strings.Repeat("\x01", 2*maxNotice)})
	vassal.Flush(time.Minute)
	if got, err := emperor.TakeNotice(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := emperor.TakeNotice(); err != nil || got.Kind != Status || got.Text == "" {
		t.Errorf("a long notice is not cut but %v", err)
	}
	vassal.Close()
	if _, err := emperor.TakeNotice(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v, want EOF", err)
	}
}

func TestParkedChildIsLetGo(t *testing.T) {
	emperor, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := emperor.SendOrder(Order{Serial: 1, Name: []byte("a.ini")}); err != nil {
		t.Fatal(err)
	}
	if o, err := Park(int(theirs.Fd())); err != nil || string(o.Name) != "a.ini" {
		t.Errorf("got %+v, %v", o, err)
	}
	emperor.Close()
	if _, err := Park(int(theirs.Fd())); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("got %v, want ErrWithdrawn", err)
	}
}

func TestChildWithoutOrderIsWithdrawn(t *testing.T) {
	emperor, vassal := connect(t)
	emperor.Close()
	if _, err := vassal.ReceiveOrder(); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("got %v, want ErrWithdrawn", err)
	}
}

// A vassal that never reads causes an error in the emperor and no delay.
func TestSendingNeverBlocks(t *testing.T) {
	emperor, _ := connect(t)
	for i := range 10000 {
		if err := emperor.SendOrder(Order{Serial: uint64(i)}); err != nil {
			if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ETOOMANYREFS) {
				t.Errorf("a full channel gives %v", err)
			}
			return
		}
	}
	t.Error("10000 orders without a reader were taken")
}

// Any message of a hostile vassal is an error about that message only: the next one is read,
// and descriptors that it sends do not reach this process.
func TestGarbageIsOneMessageLong(t *testing.T) {
	emperor, vassal := connect(t)
	for _, garbage := range []string{"{", "[]", strings.Repeat("x", maxNotice+1), strings.Repeat("x", 1<<16)} {
		if err := send(vassal.file, []byte(garbage), nil); err != nil {
			t.Fatal(err)
		}
		if n, err := emperor.TakeNotice(); !errors.Is(err, ErrGarbage) {
			t.Errorf("%.10q is taken as %+v, %v", garbage, n, err)
		}
	}
	before := descriptors(t)
	if err := send(vassal.file, []byte(`{"kind":"status"}`), unix.UnixRights(0, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := emperor.TakeNotice(); err != nil {
		t.Errorf("with descriptors: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// An order carries sockets, as many as it may.
func TestSocketsOfAnOrder(t *testing.T) {
	emperor, vassal := connect(t)
	if err := emperor.SendOrder(Order{Sockets: slices.Repeat([]int{0}, MaxSockets)}); err != nil {
		t.Fatal(err)
	}
	o, err := vassal.ReceiveOrder()
	if err != nil || len(o.Sockets) != MaxSockets {
		t.Fatalf("%d sockets, %v", len(o.Sockets), err)
	}
	for _, fd := range o.Sockets {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d has the flags %d, %v", fd, flags, err)
		}
		unix.Close(fd)
	}
}

func TestOrderCannotBeChangedOnItsWay(t *testing.T) {
	emperor, vassal := connect(t)
	if err := emperor.SendOrder(Order{Serial: 1}); err != nil {
		t.Fatal(err)
	}
	f, _, err := receiveFDs(int(vassal.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing to a sent order: %v, want EPERM", err)
	}
	if err := send(emperor.file, []byte("no descriptor"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := vassal.ReceiveOrder(); err == nil || err.Error() != "cannot read order: there is no descriptor in the message" {
		t.Errorf("without a descriptor: %v", err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// For any input, decoding returns an order or an error, and a decoded order can be encoded
// again.
func FuzzDecodeOrder(f *testing.F) {
	f.Add([]byte(`{"Serial":1,"Name":"YQ==","Hooks":[{"Phase":"as-vassal"}]}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := decodeOrder(in)
		if err != nil {
			return
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeOrder(text)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Name, o.Name) || !bytes.Equal(again.Config, o.Config) {
			t.Errorf("%+v became %+v", o, again)
		}
	})
}

func FuzzDecodeNotice(f *testing.F) {
	f.Add([]byte(`{"serial":1,"kind":"ready"}`))
	f.Add([]byte(`{"serial":-1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := decodeNotice(in)
		if err != nil {
			return
		}
		if text, err := json.Marshal(n); err != nil {
			t.Errorf("%+v cannot be written: %v (%q)", n, err, text)
		}
	})
}
