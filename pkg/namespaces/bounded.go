package namespaces

// AtOnce is how many pieces of work that Bounded runs may be under way at a time.
const AtOnce = 8

var places = make(chan struct{}, AtOnce)

// Bounded runs work whose system calls may keep a thread in the kernel for a while,
// such as the removal of a cgroup. It waits, without a thread, while AtOnce others run:
// a process that ends a hundred vassals at once would otherwise make as many threads,
// and none may be to be had. Work must end by itself, and neither wait for another
// goroutine nor call Bounded.
func Bounded(work func()) {
	places <- struct{}{}
	defer func() { <-places }()
	work()
}
