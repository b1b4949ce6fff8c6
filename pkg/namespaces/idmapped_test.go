package namespaces

import "testing"

// TestFileSystems: the file systems that an error names are the ones on which a source lies, also when their paths have
// blanks, which the kernel writes as \040.
func TestFileSystems(t *testing.T) {
	mounts := parsed(t, `21 1 8:1 / / rw - ext4 /dev/sda1 rw
30 21 0:30 / /srv/my\040site rw - tmpfs tmpfs rw
31 30 0:31 / /srv/my\040site rw - fuse.sshfs host rw
32 31 0:32 / /srv/my\040site/deep rw - nfs4 host rw
33 21 0:33 / /srv/my rw - btrfs /dev/sdb rw
`)
	for _, c := range []struct {
		source    string
		recursive bool
		want      string
	}{
		{"/srv/my site/", false, "fuse.sshfs at /srv/my site"},
		{"/srv/my site", true, "fuse.sshfs at /srv/my site, or nfs4 at /srv/my site/deep"},
		{"/srv/my site/deep/er", true, "nfs4 at /srv/my site/deep"},
		{"/etc", false, "ext4 at /"},
		{"/srv/myself", false, "ext4 at /"},
	} {
		p := &place{Place: Place{Source: c.source, Recursive: c.recursive}}
		if got := p.fileSystemsIn(mounts); got != c.want {
			t.Errorf("%s: %q, want %q", c.source, got, c.want)
		}
	}
}
