package wire_test

import (
	"fmt"
	"log"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/wire"
)

// The emperor sends an order to a parked vassal, which answers it by a notice with the same
// serial.
func ExamplePair() {
	emperor, theirs, err := wire.Pair()
	if err != nil {
		log.Fatal(err)
	}
	defer emperor.Close()
	fd, err := unix.Dup(int(theirs.Fd())) // a child inherits it
	if err != nil {
		log.Fatal(err)
	}
	theirs.Close()

	if err := emperor.SendOrder(wire.Order{Serial: 1, Name: []byte("shop.ini"), Config: []byte("[uwsgi]\n")}); err != nil {
		log.Fatal(err)
	}
	order, err := wire.Park(fd) // blocks until the order arrives
	if err != nil {
		log.Fatal(err)
	}
	vassal := wire.NewVassalEnd(fd)
	defer vassal.Close()
	vassal.Post(wire.Notice{Serial: order.Serial, Kind: wire.Ready}) // does not block
	vassal.Flush(time.Second)

	notice, err := emperor.TakeNotice()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: order %d: %s\n", order.Name, notice.Serial, notice.Kind)
	// Output: shop.ini: order 1: ready
}

// A byte on the pipe has a name for logs.
func ExampleCommand_String() {
	fmt.Println(wire.Reload, wire.Accepting)
	// Output: reload accepting
}
