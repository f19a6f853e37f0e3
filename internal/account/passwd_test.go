package account

import (
	"strings"
	"testing"
)

// TestFindUser: only complete lines of users count, and the first of them is
// used.
func TestFindUser(t *testing.T) {
	const file = "root:x:0:0:root:/root:/bin/sh\n#bob:x:7:7::/a:/b\n+eve:x:7:7::/a:/b\n-eve:x:7:7::/a:/b\n:x:7:7::/a:/b\nshort:x:7\n\nd-a.n:x:7:9:Dan:/home/dan:\nlast:x:7:7::/a:/b"
	for _, c := range []struct {
		field       int
		value, want string
	}{
		{uidField, "0", "root 0 /root"}, {uidField, "7", "d-a.n 7 /home/dan"}, {uidField, "9", ""}, {uidField, "", ""},
		{nameField, "last", "last 7 /a"}, {nameField, "short", ""}, {nameField, "+eve", ""}, {nameField, "", ""},
	} {
		got := ""
		u, err := findUser(strings.NewReader(file), c.field, c.value)
		if err == nil {
			got = u.Username + " " + u.Uid + " " + u.HomeDir
		}
		if got != c.want {
			t.Errorf("field %d %q: %q, %v; want %q", c.field, c.value, got, err, c.want)
		}
	}
	if root, err := Self().ByID("0"); err != nil || root.Username != "root" {
		t.Errorf("user 0 of this machine is %+v, %v", root, err)
	}
}
