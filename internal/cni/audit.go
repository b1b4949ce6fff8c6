package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

// Check asks the plugins about all attachments, and returns the differences in words.
func (n *Networks) Check(ctx context.Context) (problems []string, err error) {
	for _, a := range n.attached() {
		if err := a.Check(ctx); err != nil {
			problems = append(problems, a.Vassal+": "+err.Error())
		}
	}
	stray, err := n.stray()
	for _, a := range stray {
		problems = append(problems, fmt.Sprintf("an attachment of %s to the CNI network %q is left (emperor net gc)", a.Vassal, a.Network))
	}
	return problems, err
}

// stray lists attachments of the record that no vassal has: they could not be removed.
func (n *Networks) stray() ([]*Attachment, error) {
	all, err := n.Recorded()
	if err != nil {
		return nil, err
	}
	live := n.attached()
	return slices.DeleteFunc(all, func(a *Attachment) bool {
		return slices.ContainsFunc(live, func(b *Attachment) bool { return a.file() == b.file() })
	}), nil
}

// Left lists the attachments of an emperor that was killed, by network and vassal. dir is the Dir of its Config.
func Left(dir string) (names []string, err error) {
	left, err := (&Networks{config: Config{Dir: dir}}).Recorded()
	for _, a := range left {
		names = append(names, a.Network+"/"+a.Vassal)
	}
	return names, err
}

// CollectStray removes attachments that no vassal has, and lets plugins remove unused resources.
// It returns the names. dry: it removes nothing.
func (n *Networks) CollectStray(ctx context.Context, dry bool) (names []string, err error) {
	stray, err := n.stray()
	for _, a := range stray {
		names = append(names, a.Network+"/"+a.Vassal)
		if !dry {
			err = errors.Join(err, a.Del(ctx))
		}
	}
	if !dry {
		err = errors.Join(err, n.collectUnused(ctx))
	}
	return names, err
}

// collectUnused lets plugins remove resources that no attachment uses, in networks whose configuration states
// that it is for this emperor alone ("disableGC": false): of the attachments of other programs
// the emperor knows nothing.
func (n *Networks) collectUnused(ctx context.Context) error {
	valid := map[string][]types.GCAttachment{}
	for _, a := range n.attached() {
		valid[a.Network] = append(valid[a.Network], types.GCAttachment{ContainerID: a.record.ID, IfName: a.record.Interface})
	}
	for _, dir := range n.config.ConfDirs {
		files, err := libcni.ConfFiles(dir, []string{".conf", ".conflist", ".json"})
		if err != nil {
			return fmt.Errorf("cannot read CNI networks: %w", err)
		}
		for _, file := range files {
			list, err := libcni.NetworkConfFromFile(file)
			if err != nil || !ours(list.Bytes) {
				continue
			}
			if err := n.lib(n.config.PluginDirs).GCNetworkList(ctx, list, &libcni.GCArgs{ValidAttachments: valid[list.Name]}); err != nil {
				n.config.Log.Warn("a CNI network cannot be cleaned up", "file", filepath.Base(file), "error", err)
			}
		}
	}
	return nil
}

func ours(config []byte) bool {
	var c struct {
		DisableGC *bool `json:"disableGC"`
	}
	return json.Unmarshal(config, &c) == nil && c.DisableGC != nil && !*c.DisableGC
}
