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

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// headerPattern finds the index in the header of a file that says nothing else.
const headerPattern = `(?i)\bindex\b["']?\s*[:= ]\s*["']?([0-9]+)`

// Parse makes a reader of what was typed: the URL of an api.php is of MediaWiki,
// one with /pools/ in its path of PyBal, file:///PATH is a rendered file whose
// header has index: NUMBER, and any other URL answers with an index alone. Name
// servers have to be declared.
func Parse(text string, t *schema.Type, only selector.Selector) (Reader, error) {
	r := Reader{Target: text, Type: t, Only: only, Within: DefaultWithin}
	u, err := url.Parse(placeholder.ReplaceAllString(text, "x"))
	switch {
	case err != nil || u.Scheme == "":
		return Reader{}, fmt.Errorf("%q is no URL: http://HOST/w/api.php, http://HOST:9090/pools/POOL or file:///PATH, for example", printable(text))
	case u.Scheme == "file" && u.Host == "":
		r.Kind, r.Target, r.pattern = File, strings.TrimPrefix(text, "file://"), regexp.MustCompile(headerPattern)
	case u.Scheme == "dns":
		return Reader{}, errors.New("a name server is declared in the schema, which has to say what it answers with: readers: [{kind: dns, ...}]")
	case strings.HasSuffix(u.Path, "/api.php"):
		r.Kind = MediaWiki
	case strings.Contains(u.Path, "/pools/"):
		r.Kind = PyBal
	default:
		r.Kind = Index
	}
	if err := r.checkTarget(); err != nil {
		return Reader{}, fmt.Errorf("%q: %w", printable(text), err)
	}
	return r, r.comparable()
}

// checkTarget reports why the target is none for the kind.
func (r Reader) checkTarget() error {
	if _, err := placeholders(r.Target, r.Type); err != nil {
		return err
	}
	filled := placeholder.ReplaceAllString(r.Target, "x")
	switch r.Kind {
	case File:
		if !filepath.IsAbs(filled) {
			return errors.New("the path of a file begins with /")
		}
		return nil
	case DNS:
		if !dnsName.MatchString(filled) || len(filled) > 253 {
			return fmt.Errorf("%q is no name that a server can be asked for", filled)
		}
		return nil
	}
	u, err := url.Parse(filled)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("a URL with http:// or https:// in front is expected")
	case u.User != nil:
		return errors.New("the URL holds a user or password, which everybody who may read the schema can see")
	}
	return nil
}

var dnsName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

// hostPort adds the usual port to a host without one.
func hostPort(text, port string) (string, error) {
	host, given, err := net.SplitHostPort(text)
	if err != nil {
		host, given = strings.Trim(text, "[]"), port
	}
	n, err := strconv.ParseUint(given, 10, 16)
	if err != nil || n == 0 || !dnsName.MatchString(host) && net.ParseIP(host) == nil {
		return "", fmt.Errorf("%q is no HOST or HOST:PORT", printable(text))
	}
	return net.JoinHostPort(host, given), nil
}
