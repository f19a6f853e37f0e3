package readers

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// headerPattern finds the index in the header of a file that says nothing else.
const headerPattern = `(?i)\bindex\b["']?\s*[:= ]\s*["']?([0-9]+)`

// Parse makes a reader of what was typed: the URL of an api.php is of MediaWiki,
// one with /pools in its path of PyBal, file:///PATH is a rendered file whose
// header has index: NUMBER, and any other URL answers with an index alone. Name
// servers have to be declared. The error says what is wrong without the URL.
func Parse(text string, t *schema.Type, only selector.Selector) (Reader, error) {
	r := Reader{Target: text, Type: t, Only: only, Within: DefaultWithin}
	u, err := url.Parse(placeholder.ReplaceAllString(text, "x"))
	switch {
	case strings.TrimSpace(text) != text:
		return Reader{}, fmt.Errorf("%w, and not %.160q, with a blank at an end", errNoURL, text)
	case err != nil:
		return Reader{}, fmt.Errorf("%w%s", errNoURL, likely(text, nil))
	case u.Scheme == "dns":
		return Reader{}, errors.New("a name server is declared in the schema, which has to say what it answers with: readers: [{kind: dns, ...}]")
	case u.Scheme == "file" && strings.HasPrefix(text, "file:///"):
		r.Kind, r.local, r.Target, r.pattern = File, true, strings.TrimPrefix(text, "file://"), regexp.MustCompile(headerPattern)
	case u.Scheme != "http" && u.Scheme != "https":
		return Reader{}, fmt.Errorf("%w%s", errNoURL, likely(text, u))
	case strings.HasSuffix(u.Path, "/api.php"):
		r.Kind = MediaWiki
	case strings.Contains(u.Path+"/", "/pools/"):
		r.Kind = PyBal
	default:
		r.Kind = Index
	}
	if err := r.checkTarget(); err != nil {
		return Reader{}, err
	}
	return r, r.comparable()
}

var errNoURL = errors.New("a URL with http:// or https://, or file:///PATH with the whole path, is expected")

// likely is the URL that was most likely meant by what is none, in parentheses.
// The URL is nil if it cannot be read as one.
func likely(text string, u *url.URL) string {
	meant := ""
	switch {
	case hostLike.MatchString(text):
		meant = "http://" + text
	case strings.HasPrefix(text, "/"):
		meant = "file://" + text
	case u == nil:
	case u.Scheme == "file" && u.Opaque == "": // file:/x or file://etc/x
		meant = "file:///" + strings.TrimLeft(text[len("file:"):], "/")
	case strings.Contains(text, "://"):
		return nearest.Suggest(u.Scheme, []string{"http", "https", "file"})
	}
	if meant == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", printable(meant))
}

// hostLike is a URL without what is in front.
var hostLike = regexp.MustCompile(`^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_{}-]+[.:][A-Za-z0-9_{}.-]+)(:[0-9]+)?(/|$)`)

// checkTarget reports why the target is none for the kind.
func (r Reader) checkTarget() error {
	if _, err := placeholders(r.Target, r.Type); err != nil {
		return err
	}
	filled := placeholder.ReplaceAllString(r.Target, "x")
	switch {
	case r.local:
		if !filepath.IsAbs(filled) {
			return errors.New("the path of a file begins with /")
		}
		return nil
	case r.Kind == DNS:
		if !dnsName.MatchString(filled) || len(filled) > 253 {
			return fmt.Errorf("%q is no name that a server can be asked for", filled)
		}
		return nil
	}
	u, err := url.Parse(filled)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("a URL with http:// or https:// in front is expected")
	case u.Hostname() == "":
		return fmt.Errorf("the host is missing: %s://HOST/... is expected", u.Scheme)
	case !isPort(u.Port()) && u.Port() != "":
		return fmt.Errorf("%s is no port: a number from 1 to 65535 is expected", printable(u.Port()))
	case u.User != nil:
		return errors.New("the URL holds a user or password, which everybody who may read the schema, or see the command line, can read")
	case r.Kind == MediaWiki && !strings.HasSuffix(u.Path, "/api.php"):
		return fmt.Errorf("MediaWiki is asked at its api.php: %s://%s/w/api.php is expected", u.Scheme, printable(u.Host))
	case r.Kind == PyBal && strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/pools"):
		return errors.New("which pool? /pools/POOL is expected, where POOL may be {cluster}_{service}, for one")
	}
	return nil
}

var dnsName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// hostPort adds the usual port to a host without one.
func hostPort(text, port string) (string, error) {
	host, given, err := net.SplitHostPort(text)
	if err != nil {
		host, given = strings.Trim(text, "[]"), port
	}
	if !isPort(given) || !dnsName.MatchString(host) && net.ParseIP(host) == nil {
		return "", fmt.Errorf("%q is no HOST or HOST:PORT", printable(text))
	}
	return net.JoinHostPort(host, given), nil
}
