package namespaces_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// The names of namespaces are uWSGI's.
func ExampleParseFlags() {
	flags, err := namespaces.ParseFlags("pid, net,mnt")
	fmt.Println(flags, flags.Has(namespaces.NewMount), err)
	_, err = namespaces.ParseFlags("pid,network")
	fmt.Println(err)
	// Output:
	// pid,net,fs true <nil>
	// unknown namespace "network" (known: pid,uts,net,ipc,fs,user,cgroup,time)
}

// A wait for an interface names the state that is enough.
func ExampleParseLinkWait() {
	wait, err := namespaces.ParseLinkWait("eth0:up")
	fmt.Println(wait.Name, wait.State == namespaces.LinkUp, err)
	// Output: eth0 true <nil>
}

// WaitForPath blocks until a file exists, without polling.
func ExampleWaitForPath() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ready")
	time.AfterFunc(10*time.Millisecond, func() { _ = os.WriteFile(path, nil, 0o600) })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = namespaces.WaitForPath(ctx, path, func() bool { _, err := os.Stat(path); return err == nil })
	fmt.Println(err)
	// Output: <nil>
}

// CreateVeth connects the caller's network namespace with the one of another process. The kernel
// removes both ends when either namespace ends.
func ExampleCreateVeth() {
	network, err := netns.GetFromPid(1234)
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	err = namespaces.CreateVeth(namespaces.Veth{Host: "shop0", Peer: "eth0", Netns: network, Alias: "of shop.ini"})
	if err != nil {
		log.Fatal(err)
	}
	if err := namespaces.SetUp("shop0"); err != nil {
		log.Fatal(err)
	}
}

// A mount is verified after it is made, and its target cannot be redirected by symbolic links of
// other users.
func ExampleMount_Do() {
	flags, unknown := namespaces.ParseMountFlags("nosuid,nodev,noexec")
	if unknown != "" {
		log.Fatal("unknown flag ", unknown)
	}
	if err := (namespaces.Mount{Type: "tmpfs", Source: "none", Target: "/srv/tmp", Flags: flags, Data: "size=64m"}).Do(); err != nil {
		log.Fatal(err)
	}
}
