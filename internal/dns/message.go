package dns

import (
	"encoding/json"
	"errors"
	"io"
	"net/netip"
)

// The descriptors of the responder, in addition to stdio. The sockets follow, first the ones for
// datagrams and then the listening ones.
const (
	ControlFD = 3
	RootFD    = 4 // an empty directory, which becomes its root
	SocketsFD = 5
)

// Vassal is a row of the responder's table.
type Vassal struct {
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses"`
	// From are the addresses that may reach it, in addition to its own and the host's.
	From []netip.Prefix `json:"from,omitempty"`
	// Forward: the nameservers of the host answer its questions for other names.
	Forward bool `json:"forward,omitempty"`
}

// Setup is the first message of the emperor.
type Setup struct {
	// Gateways are the addresses of the sockets, and of the host.
	Gateways []netip.Addr `json:"gateways"`
	// Pool has the addresses of vassals.
	Pool []netip.Prefix `json:"pool"`
	// Between: vassals may reach each other.
	Between bool `json:"between"`
	// UID and GID are the user that a responder of root becomes.
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// Message is one message of the emperor to the responder. The fields are alternatives.
type Message struct {
	Setup *Setup `json:"setup,omitempty"`
	// Set adds a vassal, or replaces its row.
	Set *Vassal `json:"set,omitempty"`
	// Remove names a vassal that is gone.
	Remove string `json:"remove,omitempty"`
	// Servers are the nameservers for other names.
	Servers *[]netip.Addr `json:"servers,omitempty"`
	// Sync: the responder answers with one byte when all messages before have taken effect.
	Sync bool `json:"sync,omitempty"`
}

// ReadMessages calls take for each message until the end of the channel, which is no error.
func ReadMessages(from io.Reader, take func(Message) error) error {
	d := json.NewDecoder(from)
	for {
		var m Message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := take(m); err != nil {
			return err
		}
	}
}
