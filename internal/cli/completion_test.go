package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// attacks are beginnings of words that do something in one shell or another if
// they are evaluated, or if the terminal gets them as they are.
func attacks() []string {
	return []string{
		`"$(touch${IFS}PWNED)"svc`, "`touch${IFS}PWNED`svc", "(touch PWNED)svc", `a";touch PWNED;"svc`, "a;touch PWNED;svc",
		"a'$(touch${IFS}PWNED)'svc", "a\ntouch PWNED\nsvc", "a b$(touch${IFS}PWNED)svc", "~$(touch${IFS}PWNED)svc",
		"--emergency-svc", "@args-svc", "=svc", "\x1b]52;c;aGk=\x07svc", "\u202esvc", "\x9b31msvc",
	}
}

// checkOffers checks that what is printed for a completion is inert words, with
// descriptions of inert words, and cobra's last line.
func checkOffers(t *testing.T, printed string) {
	t.Helper()
	const word = `[A-Za-z0-9._:/@%+=,-]+`
	all := regexp.MustCompile(`^((--?)?[A-Za-z0-9._/]` + `[A-Za-z0-9._:/@%+=,-]*(\t` + word + `( ` + word + `)*)?\n)*:[0-9]+\n$`)
	if !all.MatchString(printed) {
		t.Errorf("offered: %q", printed)
	}
	if n := strings.Count(printed, "\n"); n > maxOffers+1 {
		t.Errorf("%d lines", n)
	}
}

func TestOffered(t *testing.T) {
	for _, c := range []struct{ printed, typed, want string }{
		{":4\n", "", ":4\n"},
		{"web1\nweb2\n:4\n", "", "web1\nweb2\n:4\n"},
		{"$(x)\n`x`\na b\n~x\na\x1b]52;c;x\x07\nx\u202e\nweb1\n:4\n", "", "web1\n:4\n"},
		{":4\n:0\nweb1\n:6\n", "", "web1\n:6\n"}, // not to be taken for the last line
		{"--emergency\n@file\n=x\n%1\n+x\n,x\n-\nx-=@%+,:\n:4\n", "", "x-=@%+,:\n:4\n"},
		{"--emergency\tpast all rules\n@file\n:4\n", "--e", "--emergency\tpast all rules\n:4\n"},
		{"--emergency\nx\n:4\n", "--hostname=", "x\n:4\n"},
		{"_activeHelp_ text\n:4\n", "", ":4\n"},
		{"same\ta $(x)1\nsame\ta $(x)2\n:4\n", "", "same\ta x1\n:4\n"}, // bash would insert "same  (a x"
		{"id\talice: set/pooled=no name=w.*; \"it's\" \u202e\x1b[2J\n:4\n", "", "id\talice: set/pooled=no name=w. , its 2J\n:4\n"},
		{"id\t\x1b\n:4\n", "", "id\n:4\n"},
		{strings.Repeat("x", maxOffer+1) + "\nx\t" + strings.Repeat("y", 1000) + "\n:4\n", "", "x\t" + strings.Repeat("y", maxDescription) + "\n:4\n"},
	} {
		got := offered(c.printed, c.typed)
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.printed, got, c.want)
		}
		checkOffers(t, got)
	}
}

// TestOfferedOfMany: no more words than somebody can look at, and those that
// begin with what is typed.
func TestOfferedOfMany(t *testing.T) {
	var printed strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&printed, "web%d\n", i)
	}
	for typed, want := range map[string]int{"": maxOffers, "web4": maxOffers, "web49": 111, "--hostname=web49": 111, "x": 0} {
		got := offered(printed.String()+":4\n", typed)
		if n := strings.Count(got, "\n") - 1; n != want {
			t.Errorf("%q: %d words, want %d", typed, n, want)
		}
		checkOffers(t, got)
	}
	if got := offered(strings.Repeat("web1\n", 5000)+"api1\n:4\n", "x"); got != "web1\napi1\n:4\n" {
		t.Errorf("%q: few are left to the shell to match", got)
	}
}

// TestCompletionEnds: a file or a store that never answers holds nobody up.
func TestCompletionEnds(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // which the system accepts connections for
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	s := etcdSite(t, "http://"+mute.Addr().String())
	if err := unix.Mkfifo(filepath.Join(s.dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{
		{"select", "dc="}, {"log", "show", ""}, {"undo", ""}, {"depool", "--hostname", ""},
		{"--schema", "fifo", "select", ""}, {"--config", "fifo", "--object-type", ""}, {"@fifo", "select", ""},
	} {
		stdout, _, code := s.run(append([]string{"__complete"}, words...)...)
		if code != exitDone {
			t.Errorf("%q: exit code %d", words, code)
		}
		checkOffers(t, stdout)
	}
}

// FuzzCompletion completes lines with a word in all places of the store that
// completion looks at, and with one that is typed.
func FuzzCompletion(f *testing.F) {
	for i, a := range append(attacks(), "web1", "web1\tx", ":4", "re:x", "a+", "a,dc=b") {
		f.Add(a, "", uint8(i))
		f.Add(a, a, uint8(i+1))
		f.Add(a, "dc="+a+",name=", uint8(0))
		f.Add(a, "--hostname="+a, uint8(2))
		f.Add(a, "set/pooled="+a, uint8(1))
		f.Add(a, "--", uint8(i))
	}
	lines := [][]string{
		{"select"}, {"select", "dc=x"}, {"depool"}, {"depool", "--hostname"}, {"depool", "--service"}, {"undo"}, {"log", "show"}, {"log", "--user"},
		{"log", "annotate"}, {"log", "--type"}, {"--object-type"}, {"export"}, {"types"}, {"pools"}, {"check", "readers", "--since"}, {},
		{"tags", "dc=x,cluster=x,service=x", "--action", "get"}, {"tags"}, {"import", "x"}, {"help"}, {"completion"}, {"--version"}, {"--help"}, {"--allow"}, {"x"},
	}
	f.Fuzz(func(t *testing.T, stored, typed string, line uint8) {
		dir := t.TempDir()
		if err := writeSite(dir, fmt.Sprintf("driver: local\ndriver_options: {path: %s/state.db}\n", dir)); err != nil {
			t.Fatal(err)
		}
		db, err := local.Open(filepath.Join(dir, "state.db"), local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := sal.Record{Time: time.Now(), Event: sal.Event{ID: stored, Action: stored}, User: sal.User{Name: stored}}
		r.Change.Run, r.Change.Selector = stored, stored
		record, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		place := func(tag, name string) store.Write {
			return store.Write{Key: "/conftool/v1/pools/" + tag + "/" + tag + "/" + tag + "/" + name, Value: []byte("{}")}
		}
		if _, err := db.Commit(t.Context(), store.Txn{Writes: []store.Write{
			place("x", "x"+stored), place("y"+stored, "x"), {Key: "/conftool/.confctl/journal/x" + stored, Value: record},
		}}); err != nil {
			t.Fatal(err)
		}
		words := append([]string{"confctl", "--config", filepath.Join(dir, "config.yaml"), "__complete"}, lines[int(line)%len(lines)]...)
		var out bytes.Buffer
		std := term.Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard}
		if code := run(t.Context(), append(words, typed), std); code != exitDone {
			t.Errorf("exit code %d", code)
		}
		checkOffers(t, out.String())
	})
}
