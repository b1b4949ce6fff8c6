package namespaces

// AtOnce is the number of functions that Bounded runs at the same time.
const AtOnce = 8

var places = make(chan struct{}, AtOnce)

// Bounded runs work whose system calls may block a thread in the kernel for a while, such as
// the removal of a cgroup. It waits, without a thread, while AtOnce others run. Without this
// limit, a process that ends a hundred vassals at once would need a hundred threads, and the
// kernel may refuse them. work must end by itself, and must neither wait for another goroutine
// nor call Bounded.
func Bounded(work func()) {
	places <- struct{}{}
	defer func() { <-places }()
	work()
}
