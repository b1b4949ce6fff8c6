package emperor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/network/spec"
	"github.com/emperor-go/emperor/pkg/wire"
)

// tuned is a fake whose network the emperor changes while it runs.
type tuned struct{ *fake }

func (f tuned) Attachment() *Attachment { return &Attachment{} }

func (f tuned) Adjust(_ context.Context, p Plan) error {
	f.world.note("adjust %s#%d %s", f.name, f.generation, p.Data)
	return nil
}

// tuner launches them.
type tuner struct{ *world }

func (w tuner) Launch(ctx context.Context, r Request) (Process, error) {
	p, err := w.world.Launch(ctx, r)
	if f, ok := p.(*fake); ok {
		return tuned{f}, err
	}
	return p, err
}

// An edit of the network and of other options is one: when the process refuses the rest, or does not
// answer, the network is as before; when it answers late, the network is the new one.
func TestNetworkOfARefusedReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.Launcher, o.ReloadTimeout = tuner{o.Launcher.(*world)}, time.Second
			o.Check = func(c monitor.Config) (Facts, error) {
				return Facts{Network: spec.Wish{Interface: string(c.Data)}}, nil
			}
			o.Compare = func(monitor.Config, monitor.Config) Change {
				return Change{Live: []string{"network-publish"}, Options: []string{"static-map"}}
			}
		})
		s.put("a.ini", "1")
		s.expect(t, "launch a.ini#1 1")
		s.put("a.ini", "refuse")
		s.expect(t, "adjust a.ini#1 refuse, reload a.ini#1 refuse, adjust a.ini#1 1")
		s.put("a.ini", "2")
		s.expect(t, "adjust a.ini#1 2, reload a.ini#1 2")
		s.put("a.ini", "silent")
		pass(2 * time.Second)
		s.expect(t, "adjust a.ini#1 silent, reload a.ini#1 silent, adjust a.ini#1 2")
		s.say("a.ini", wire.Notice{Serial: s.record(t, "a.ini").Serial, Kind: wire.Ready})
		s.expect(t, "adjust a.ini#1 silent")
		if r := s.record(t, "a.ini"); r.Config != r.WantedConfig || r.State != Running {
			t.Errorf("answered: %+v", r)
		}
		s.stop()
	})
}
