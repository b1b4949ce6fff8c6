// Package wire defines the messages between the emperor and a vassal.
//
// There are two channels. The pipe is uWSGI's own and carries uWSGI's bytes, so uwsgi programs
// run below our emperor, and our vassal runs below uWSGI's Emperor. The order channel is ours.
// Its first order gives a parked child its configuration and starts the boot; each later order
// asks for a reload with other bytes. The vassal answers with notices when a reload ends, with
// the reason.
//
//	emperor                                 vassal
//	   |  clone ------------------------------> |  waits in Park
//	   |  (hooks run, links move)               |
//	   |  Order 1 ----------------------------> |  boots
//	   |                                        |
//	   | <----------------------------- Spawned |
//	   | <------- Notices: waits of a long boot |
//	   | <--------------------------- Accepting |
//	   | <--------------------- Notice 1, ready |  it speaks the order channel
//	   |                                        |
//	   |  Order 2 ----------------------------> |  new workers beside the old
//	   | <-------------- Notice 2, ready/failed |
//	   |                                        |
//	   |  Reload (if it sent no notice) ------> |
//	   |  Stop, StopGracefully ---------------> |
//	   |                                        |
//	   |  end of file: the emperor is gone ---> |  stops by itself
//	   | <--- end of file: the vassal is cursed |
//
// Source: uWSGI core/emperor.c and core/uwsgi.c, observed on 2.0.21.
package wire

import "fmt"

// Environment variables of a vassal. They are removed from the environment of every program
// that it starts.
const (
	// PipeEnv is uWSGI's variable: a connected stream socket; each message is one byte.
	PipeEnv = "UWSGI_EMPEROR_FD"
	// ConfigEnv is uWSGI's variable: a connected stream socket that carries the configuration,
	// as a uwsgi packet with modifier 115.
	ConfigEnv = "UWSGI_EMPEROR_FD_CONFIG"
	// OrderEnv is ours: the descriptor of a VassalEnd.
	OrderEnv = "EMPEROR_ORDER_FD"
)

// Command is a byte that the emperor sends.
type Command byte

// The commands of uWSGI's Emperor.
const (
	Stop           Command = 0
	Reload         Command = 1
	StopGracefully Command = 2
)

// Held is ours, for a vassal of the order channel: a stop follows, and another process has its sockets, so that
// their paths stay. It does not ask for anything by itself.
const Held Command = 3

// String names the command for logs.
func (c Command) String() string {
	switch c {
	case Stop:
		return "stop"
	case Reload:
		return "reload"
	case StopGracefully:
		return "stop-gracefully"
	case Held:
		return "held"
	}
	return fmt.Sprintf("command(%d)", byte(c))
}

// Report is a byte that a vassal sends.
type Report byte

// The reports of uWSGI's vassals.
const (
	// Spawned: the program runs.
	Spawned Report = 1
	// SendConfig: send the configuration again.
	SendConfig Report = 2
	// Accepting: the sockets are bound and served.
	Accepting Report = 5
	// Loyal: the first request was served.
	Loyal Report = 17
	// Withdraw: the vassal stops by itself; on demand, it waits for connections again.
	Withdraw Report = 22
	// Heartbeat: still alive; silence after the first one is a fault.
	Heartbeat Report = 26
	// Reinforce: a broodlord wants another zerg.
	Reinforce Report = 30
)

// Exile is the exit code of a vassal that is not to be restarted until its file changes.
const Exile = 26

// String names the report for logs.
func (r Report) String() string {
	switch r {
	case Spawned:
		return "spawned"
	case SendConfig:
		return "send-config"
	case Accepting:
		return "accepting"
	case Loyal:
		return "loyal"
	case Withdraw:
		return "withdraw"
	case Heartbeat:
		return "heartbeat"
	case Reinforce:
		return "reinforce"
	}
	return fmt.Sprintf("report(%d)", byte(r))
}
