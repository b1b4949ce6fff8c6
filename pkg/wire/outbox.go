package wire

import (
	"slices"
	"sync"
	"time"
)

const (
	// gathering is how long an outbox collects further results of hooks: the emperor reads few
	// messages a second from a vassal that sends many.
	gathering = 100 * time.Millisecond
	// maxPosted is the number of notices that an outbox keeps for an emperor that does not
	// read.
	maxPosted = 256
)

// outbox holds the notices of a vassal until they are sent. Results of hooks are sent together.
type outbox struct {
	write func(message []byte) error // blocks until there is room

	mu      sync.Mutex
	posted  []Notice
	sending bool       // a goroutine is sending
	changed *sync.Cond // when there is less to send, or no time to gather
	haste   bool       // do not gather results of hooks
}

func (o *outbox) init(write func(message []byte) error) {
	o.write, o.changed = write, sync.NewCond(&o.mu)
}

func (o *outbox) post(n Notice) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.posted) >= maxPosted {
		at := max(0, slices.IndexFunc(o.posted, func(n Notice) bool { return n.Kind == HookEnded }))
		o.posted = slices.Delete(o.posted, at, at+1)
	}
	o.posted = append(o.posted, n)
	if n.Kind != HookEnded {
		o.haste = true
		o.changed.Broadcast()
	}
	if !o.sending {
		o.sending = true
		go o.send()
	}
}

// flush blocks until nothing is left to send.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.haste = true
	o.changed.Broadcast()
	for o.sending {
		o.changed.Wait()
	}
}

func (o *outbox) send() {
	timer := time.AfterFunc(gathering, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.haste = true
		o.changed.Broadcast()
	})
	defer timer.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.haste {
		o.changed.Wait()
	}
	for len(o.posted) > 0 {
		text, n := o.next()
		o.posted = o.posted[n:]
		o.mu.Unlock()
		err := o.write(text)
		o.mu.Lock()
		if err != nil { // the emperor is gone
			o.posted = nil
		}
	}
	o.posted, o.sending, o.haste = nil, false, false
	o.changed.Broadcast()
}

// next encodes the first notice, with the results of later hooks as long as they fit, and
// returns the number of notices in it.
func (o *outbox) next() (text []byte, n int) {
	first := o.posted[0].cut()
	text, _ = encode(first) // strings and numbers cannot fail
	for n = 1; first.Kind == HookEnded && n < len(o.posted) && o.posted[n].Kind == HookEnded; n++ {
		first.Hooks = append(slices.Clip(first.Hooks), o.posted[n].cut().Hooks...)
		more, _ := encode(first)
		if len(more) > maxNotice {
			break
		}
		text = more
	}
	return text, n
}

// cut shortens the texts: one byte of them may take six in JSON.
func (n Notice) cut() Notice {
	n.Text = n.Text[:min(len(n.Text), maxNotice/8)]
	for i, size := 0, 0; i < len(n.Addresses); i++ {
		if size += len(n.Addresses[i]); size > maxNotice/16 {
			n.Addresses = n.Addresses[:i]
		}
	}
	if n.Deaths != nil {
		d := *n.Deaths
		d.Exit = d.Exit[:min(len(d.Exit), maxNotice/16)]
		n.Deaths = &d
	}
	n.Hooks = slices.Clone(n.Hooks)
	for i := range n.Hooks {
		h := &n.Hooks[i]
		h.Text, h.Exit = h.Text[:min(len(h.Text), maxNotice/16)], h.Exit[:min(len(h.Exit), maxNotice/16)]
	}
	return n
}
