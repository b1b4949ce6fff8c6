package cli

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/suggest"
)

// exitError is an error with the exit code of the command.
type exitError struct {
	error
	code int
}

func (f exitError) Unwrap() error { return f.error }

// operator holds the options and the connection of a command that talks to a running emperor.
type operator struct {
	dir    string
	asJSON bool
	// changes: the command may end processes and start others. It prints the time between them.
	changes bool
	asked   *control.Client // nil: no request yet
}

// operate makes a command that talks to an emperor. The context of run ends with the first stop
// signal.
func operate(c *cobra.Command, run func(ctx context.Context, o *operator, c *cobra.Command, args []string) error) *cobra.Command {
	o := &operator{}
	c.DisableFlagsInUseLine = true
	c.Long += exits()
	c.Flags().StringVar(&o.dir, "runtime-dir", askedRuntimeDir(), "the emperor's runtime `DIR`, if it is not the default")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	_ = c.MarkFlagDirname("runtime-dir")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return coded(run(ctx, o, c, args))
	}
	if c.ValidArgsFunction == nil && c.Args != nil {
		c.ValidArgsFunction = o.complete
	}
	return c
}

// coded adds the exit code to an error.
func coded(err error) error {
	var f *control.Error
	var known exitError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, errMistakes):
		return err
	case errors.Is(err, control.ErrNoEmperor):
		return exitError{err, exitNoEmperor}
	case errors.As(err, &f) && f.Code == http.StatusNotFound:
		if len(f.Near) > 0 {
			f.Message += " (" + suggest.Question("", f.Near...) + ")"
		}
		return exitError{err, exitUnknown}
	case errors.As(err, &f) && f.Code == http.StatusBadRequest:
		return exitError{err, ExitUsage}
	}
	return exitError{err, ExitFailed}
}

// client returns the control client of the command. All requests share its connection.
func (o *operator) client() *control.Client {
	if o.asked == nil {
		o.asked = control.NewClient(o.dir)
	}
	return o.asked
}

func (o *operator) get(ctx context.Context, path string, into any) error {
	return o.call(ctx, http.MethodGet, path, into)
}

func (o *operator) post(ctx context.Context, path string, into any) error {
	return o.call(ctx, http.MethodPost, path, into)
}

// call sends a request. Not found is the exit code of an unknown vassal only in a request about a vassal.
func (o *operator) call(ctx context.Context, method, path string, into any) error {
	err := o.client().Call(ctx, method, path, into)
	var f *control.Error
	if errors.As(err, &f) && f.Code == http.StatusNotFound && !strings.HasPrefix(path, of("", "")) {
		return exitError{err, ExitFailed}
	}
	return err
}

// of returns the path of a request about a vassal.
func of(name, what string) string { return "/vassals/" + url.PathEscape(name) + what }

// complete completes the names of the emperor's vassals, while the command takes one more.
func (o *operator) complete(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var list control.List
	full := len(args) > 0 && strings.Contains(c.Use, "[CMD") || c.Args(c, append(slices.Clone(args), "")) != nil && c.Args(c, args) == nil
	if full || o.get(ctx, "/vassals", &list) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, v := range list.Vassals {
		if !slices.Contains(args, v.Name) {
			names = append(names, v.Name+"\t"+string(v.State))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
