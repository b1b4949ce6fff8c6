package emperor

import (
	"os"
	"syscall"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
)

// DirectBoot is the boot of a vassal that needs no program of ours inside.
type DirectBoot interface {
	// List returns the boot as system calls. An error means that the vassal program must boot this
	// vassal after all, which then reports the cause; it may block for as long as file systems do.
	List(DirectRequest) (*bootlist.List, error)
	// Program is the program as the tenant has written it, which List examines. Empty: it is the built-in
	// server.
	Program() string
	// Server returns the configuration of the built-in server, for an order to a process that was booted by
	// from, which takes it over. Nil: another process is needed.
	Server(from DirectBoot) []byte
	// Listening are the sockets of the vassal, with their names and their addresses as written.
	Listening() [][2]string
	// Failed is called, from any goroutine, when a boot has failed. From then on List returns an
	// error: the vassal program, which has the rights of the tenant, finds the cause.
	Failed()
}

// DirectRequest is the part of a launch that a DirectBoot needs.
type DirectRequest struct {
	// Name of the vassal.
	Name string
	// Server is the open program of the built-in server. Nil: there is none.
	Server *os.File
	// Dir is the working directory at the start, an absolute path.
	Dir string
	// Environ are the variables that the vassal program would get, but for its channels. Notify is
	// the path of the socket for sd_notify(3); empty: none.
	Environ []string
	Notify  string
	// Files are the descriptors, by number. Pipe and Orders are the numbers of the channels to the
	// emperor.
	Files        []*os.File
	Pipe, Orders int
	// Network is the place in the network that the vassal has when it gets its order. Nil: none.
	Network *Attachment
	// Kept and Unbound are the ones of the Request.
	Kept, Unbound []*os.File
	// Namespaces are the ones into which the child is cloned, and Keyring: it gets a session keyring.
	Namespaces namespaces.Flags
	Keyring    bool
	// Capabilities are all that the vassal can have. Nil: no limit.
	Capabilities *namespaces.Capabilities
	// Deathsig is sent when the emperor dies.
	Deathsig syscall.Signal
}
