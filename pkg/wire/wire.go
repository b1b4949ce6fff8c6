// Package wire is what the emperor and a vassal say to each other.
//
// There are two channels. The pipe is uWSGI's own and speaks its bytes, so real
// uwsgi programs run under our emperor and our vassal under a real one. The
// order channel is ours: the first order tells a parked child what it is and
// that it may go, each later one asks it to reload with other bytes, and the
// notices that come back tell when and why a reload is over.
//
//	emperor                                 vassal
//	   |  clone ------------------------------> |  waits in Park
//	   |  (hooks run, links move)               |
//	   |  Order 1 ----------------------------> |  boots
//	   |                                        |
//	   | <----------------------------- Spawned |
//	   | <---- Notices: where a boot stays long |
//	   | <--------------------------- Accepting |
//	   | <--------------------- Notice 1, ready |  it speaks the order channel
//	   |                                        |
//	   |  Order 2 ----------------------------> |  new workers beside the old
//	   | <-------------- Notice 2, ready/failed |
//	   |                                        |
//	   |  Reload (to who sent no notice) -----> |
//	   |  Stop, StopGracefully ---------------> |
//	   |                                        |
//	   |  end of file: the emperor is gone ---> |  stops by itself
//	   | <--- end of file: the vassal is cursed |
//
// Source: uWSGI core/emperor.c and core/uwsgi.c, observed on 2.0.21.
package wire

import "fmt"

// Names of environment variables of a vassal. They are removed from the
// environment of every program that it starts.
const (
	// PipeEnv is uWSGI's variable: a connected stream socket, one byte a message.
	PipeEnv = "UWSGI_EMPEROR_FD"
	// ConfigEnv is uWSGI's variable: a connected stream socket over which the
	// configuration comes, as a packet of uWSGI's with modifier 115.
	ConfigEnv = "UWSGI_EMPEROR_FD_CONFIG"
	// OrderEnv is ours: the vassal's end of a Channel.
	OrderEnv = "EMPEROR_ORDER_FD"
	// ProcsEnv is what GOMAXPROCS shall be for those programs. The vassal itself is
	// started with 1, which takes a quarter off its start.
	ProcsEnv = "EMPEROR_GOMAXPROCS"
)

// Command is a byte the emperor sends.
type Command byte

// The commands of uWSGI's Emperor.
const (
	Stop           Command = 0
	Reload         Command = 1
	StopGracefully Command = 2
)

// String names the command for logs.
func (c Command) String() string {
	switch c {
	case Stop:
		return "stop"
	case Reload:
		return "reload"
	case StopGracefully:
		return "stop-gracefully"
	}
	return fmt.Sprintf("command(%d)", byte(c))
}

// Report is a byte a vassal sends.
type Report byte

// The reports of uWSGI's vassals.
const (
	// Spawned: the program runs.
	Spawned Report = 1
	// SendConfig: push the configuration again.
	SendConfig Report = 2
	// Accepting: the sockets are bound and somebody answers.
	Accepting Report = 5
	// Loyal: the first request was served.
	Loyal Report = 17
	// Withdraw: a voluntary stop; on demand, back to waiting.
	Withdraw Report = 22
	// Heartbeat: still alive; silence after the first one is a fault.
	Heartbeat Report = 26
	// Reinforce: a broodlord wants another zerg.
	Reinforce Report = 30
)

// Exile is the exit code of a vassal that wants to be left alone until its file
// changes.
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
