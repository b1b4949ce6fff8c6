package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// The capabilities whose values the emperor can give (CONVENTIONS.md).
const (
	PortMappings = "portMappings"
	Bandwidth    = "bandwidth"
	MAC          = "mac"
	IPs          = "ips"
)

// PortMapping is an element of the value of PortMappings.
type PortMapping struct {
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"`
	HostIP        string `json:"hostIP,omitempty"`
}

// Rate is the value of Bandwidth, in bits per second and bits. Zero: no limit. The vassal's
// ingress is the traffic to it.
type Rate struct {
	IngressRate  uint64 `json:"ingressRate,omitempty"`
	IngressBurst uint64 `json:"ingressBurst,omitempty"`
	EgressRate   uint64 `json:"egressRate,omitempty"`
	EgressBurst  uint64 `json:"egressBurst,omitempty"`
}

// resultOf is the result of plugins.
type resultOf = types.Result

// netnsPath is the network namespace for a plugin, and for the plugins that it runs: a descriptor
// that they inherit. No path can name another namespace meanwhile.
const netnsPath = "/proc/self/fd/3"

type netnsKey struct{}

// withNetns passes a network namespace to ExecPlugin, through the library. The handle stays the caller's,
// and is open until the library has returned. None: the plugins get no namespace.
func withNetns(ctx context.Context, ns netns.NsHandle) context.Context {
	return context.WithValue(ctx, netnsKey{}, ns)
}

// plugins runs plugins. They get PATH and the variables of the specification, and no others of
// the emperor's environment.
type plugins struct{ version.PluginDecoder }

// FindInPath implements invoke.Exec.
func (*plugins) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

// killedOutputWait is how long the output of a killed plugin is waited for: a child may have it open.
const killedOutputWait = time.Second

// ExecPlugin implements invoke.Exec.
func (*plugins) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.WaitDelay = bytes.NewReader(stdin), &stdout, &stderr, "/", killedOutputWait
	cmd.Env = []string{}
	for _, v := range environ {
		if strings.HasPrefix(v, "CNI_") || strings.HasPrefix(v, "PATH=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if ns, ok := ctx.Value(netnsKey{}).(netns.NsHandle); ok && ns.IsOpen() {
		own, err := namespaces.DuplicateNetwork(ns) // a file closes its descriptor
		if err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(own), netnsPath)
		defer file.Close()
		cmd.ExtraFiles = []*os.File{file}
	}
	if err := namespaces.Run(cmd); err != nil {
		return nil, failure(err, stdout.Bytes(), stderr.String())
	}
	return stdout.Bytes(), nil
}

// failure returns the reason that a plugin gave.
func failure(err error, stdout []byte, stderr string) error {
	var e types.Error
	if json.Unmarshal(stdout, &e) == nil && e.Msg != "" {
		return &e
	}
	if text := strings.TrimSpace(stderr); text != "" {
		return fmt.Errorf("%w: %.200q", err, text)
	}
	return err
}
