package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/internal/atomicfile"
)

func (n *Networks) records() string { return filepath.Join(n.config.Dir, "attachments") }

func (a *Attachment) file() string {
	return filepath.Join(a.networks.records(), a.record.ID+"-"+a.record.Interface)
}

// keep writes the record.
func (a *Attachment) keep() error {
	text, err := json.Marshal(a.record)
	if err == nil {
		err = os.MkdirAll(a.networks.records(), 0o700) // a cleaner may have removed it
	}
	if err == nil {
		_, err = atomicfile.Write(a.file(), text, atomicfile.Options{Beside: a.networks.config.Dir})
	}
	if err != nil {
		return fmt.Errorf("cannot record a CNI attachment: %w", err)
	}
	return nil
}

// Recorded returns the attachments of the record. Files that are no record are left alone.
func (n *Networks) Recorded() (list []*Attachment, err error) {
	files, err := os.ReadDir(n.records())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the record of CNI attachments: %w", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(n.records(), f.Name()))
		a := &Attachment{networks: n, netns: netns.None()}
		if err != nil || json.Unmarshal(text, &a.record) != nil {
			continue
		}
		conf, err := libcni.NetworkConfFromBytes(a.record.Config)
		if err != nil {
			continue
		}
		a.Network, a.Vassal = conf.Name, a.record.Vassal
		list = append(list, a)
	}
	return list, nil
}
