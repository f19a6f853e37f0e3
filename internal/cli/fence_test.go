package cli

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/etcdv2/etcdv2test"
)

// section is a part of a file of the documentation, with the title that it begins
// with, up to the next of its kind.
func section(t *testing.T, name, title string) string {
	t.Helper()
	_, text, found := strings.Cut(manual(t, name), "\n## "+title+"\n")
	if !found {
		t.Fatalf("%s has no section %s", name, title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// TestFenceComesFirst: where a site is switched over, etcd v2 is read only before
// anything else is done, and on the way back until everything else is done.
func TestFenceComesFirst(t *testing.T) {
	const name = "docs/moving-in.md"
	code := regexp.MustCompile("(?m)^ {7,}(.+)$")
	for title, c := range map[string]struct {
		fence        string
		after, until []string
	}{
		"7. Switch":                   {"v2-fence up", []string{"disable --now conftool-copy", "import --from-v2", "ln -sf"}, nil},
		"Going back after the switch": {"v2-fence down", nil, []string{`rm -f "/usr/local/bin/$name"`, "role revoke-permission", "v3-to-v2 --write", "--verify", "log -n 1"}},
	} {
		text := section(t, name, title)
		at := strings.Index(text, "\n        "+c.fence+"\n")
		if at < 0 {
			t.Errorf("%s: no %s", title, c.fence)
			continue
		}
		for _, later := range c.after {
			if i := strings.Index(text, later); i < at {
				t.Errorf("%s: %s comes before the fence", title, later)
			}
		}
		for _, earlier := range c.until {
			if i := strings.Index(text, earlier); i < 0 || i > at {
				t.Errorf("%s: %s does not come before the fence is taken down", title, earlier)
			}
		}
		if first := code.FindStringSubmatch(text); title == "7. Switch" && first[1] != c.fence {
			t.Errorf("%s begins with %s", title, first[1])
		}
	}
	if text := section(t, name, "4. Copy"); strings.Index(text, "v2-fence up") > strings.Index(text, "import --from-v2") {
		t.Error("4. Copy: the fence of those who copy once comes after the copy")
	}
}

// fence is the script of the documentation, for one etcd v2.
type fence struct {
	*testing.T
	url, dir string
}

func newFence(t *testing.T, url string) fence {
	t.Helper()
	for _, program := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs bash, curl and jq")
		}
	}
	script := regexp.MustCompile("(?ms)^```bash\n(#!/bin/bash\n# Makes the objects in an etcd v2 read only.*?)^```").FindStringSubmatch(manual(t, "docs/moving-in.md"))
	if script == nil {
		t.Fatal("docs/moving-in.md has no v2-fence")
	}
	f := fence{t, url, t.TempDir()}
	for name, text := range map[string]string{"v2-fence": script[1], ".v2-root": "user = \"root:secret\"\n"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// run runs the script.
func (f fence) run(verb, want string) {
	f.Helper()
	cmd := exec.Command("bash", filepath.Join(f.dir, "v2-fence"), verb)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.dir, "V2=" + f.url}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		f.Fatalf("v2-fence %s: %v\n%s", verb, err, out)
	}
}

// writes checks how a write to a key is answered, for a user or without one.
func (f fence) writes(user, key string, want int) {
	f.Helper()
	f.request(user, http.MethodPut, "/v2/keys"+key, "value=1", want)
}

func (f fence) request(user, method, path, body string, want int) {
	f.Helper()
	req, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	if strings.HasPrefix(body, "value=") {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if user != "" {
		req.SetBasicAuth(user, "secret")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != want && (want != http.StatusCreated || resp.StatusCode != http.StatusOK) {
		f.Errorf("%s %s as %q: %s, want %d", method, path, user, resp.Status, want)
	}
}

// TestFence: with the fence nobody but root writes objects to etcd v2, whether it
// has users or not, everybody goes on reading, and afterwards all have the rights
// that they had.
func TestFence(t *testing.T) {
	const key = "/conftool/v1/pools/north/web/http/web1"
	t.Run("without users", func(t *testing.T) {
		f := newFence(t, etcdv2test.Start(t).URL)
		f.writes("", key, http.StatusCreated)
		f.run("up", "/conftool/ in "+f.url+" is read only")
		f.writes("", key, http.StatusUnauthorized)
		f.request("", http.MethodDelete, "/v2/keys"+key, "", http.StatusUnauthorized)
		f.request("", http.MethodGet, "/v2/keys"+key, "", http.StatusOK)
		f.run("up", "is read only") // again: what was taken is still known
		f.run("down", `"guest"`)
		f.writes("", key, http.StatusOK)
	})
	t.Run("with users", func(t *testing.T) {
		f := newFence(t, etcdv2test.Start(t, etcdv2test.User("root", "secret", "")).URL)
		for name, keys := range map[string]string{"conftool": `"/conftool/*"`, "pools": `"/conftool/v1/pools/*", "/other/*"`, "other": `"/other/*"`} {
			f.request("root", http.MethodPut, "/v2/auth/roles/"+name, `{"role": "`+name+`", "permissions": {"kv": {"read": [`+keys+`], "write": [`+keys+`]}}}`, http.StatusCreated)
			f.request("root", http.MethodPut, "/v2/auth/users/"+name, `{"user": "`+name+`", "password": "secret", "roles": ["`+name+`"]}`, http.StatusCreated)
		}
		f.writes("conftool", key, http.StatusCreated)
		f.run("up", "is read only")
		f.writes("conftool", key, http.StatusUnauthorized)
		f.writes("pools", key, http.StatusUnauthorized)
		f.request("conftool", http.MethodGet, "/v2/keys"+key, "", http.StatusOK)
		f.writes("pools", "/other/a", http.StatusCreated)
		f.writes("other", "/other/b", http.StatusCreated)
		// The copy back has a role that is made afterwards.
		for _, m := range regexp.MustCompile(`(?m)^curl -fsS -K ~/\.v2-root -X PUT -d '(.*)' "\$V2(.*)"$`).FindAllStringSubmatch(manual(t, "docs/moving-in.md"), -1) {
			f.request("root", http.MethodPut, m[2], m[1], http.StatusCreated)
		}
		f.writes("copy", key, http.StatusOK)
		f.run("down", `"conftool"`)
		f.writes("conftool", key, http.StatusOK)
		f.writes("pools", key, http.StatusOK)
	})
}
