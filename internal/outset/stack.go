package outset

// room is the part of a stack that Stack asks for, in bytes. With it the stack has 32 kB.
const room = 28 << 10

// Stack gives the calling goroutine, which is at the beginning of its work, the stack that it
// will need. The runtime begins with a small one (runtime/stack.go), doubles it again and again
// and copies the frames in it each time, which is a noticeable part of a start.
func Stack() { reserveStack(false) }

// reserveStack has a large frame, for which the runtime makes room when it is called. Nothing
// touches the frame, so that it uses no memory.
//
//go:noinline
func reserveStack(use bool) {
	if use {
		var frame [room]byte
		keep(&frame)
	}
}

//go:noinline
func keep(*[room]byte) {}
