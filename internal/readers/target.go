package readers

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// headerPattern finds the index in the header of a file given on the command line.
const headerPattern = `(?i)\bindex\b["']?\s*[:= ]\s*["']?([0-9]+)`

// Parse returns a reader for a URL on the command line: MediaWiki for a URL of
// api.php, PyBal for one with /pools in its path, a file with index: NUMBER in its
// header for file:///PATH, and for any other URL a program that answers with only an
// index. Name servers must be declared. Errors do not repeat the URL.
func Parse(text string, t *schema.Type, only selector.Selector) (Reader, error) {
	r := Reader{Target: text, Type: t, Only: only, Within: DefaultWithin}
	u, err := url.Parse(placeholder.ReplaceAllString(text, "x"))
	switch {
	case strings.TrimSpace(text) != text:
		return Reader{}, fmt.Errorf("%w, and not %.160q, with a blank at an end", errNoURL, text)
	case err != nil:
		return Reader{}, fmt.Errorf("%w%s", errNoURL, likely(text))
	case u.Scheme == "dns":
		return Reader{}, errors.New("a name server is declared in the schema, which has to say what it answers with: readers: [{kind: dns, ...}]")
	case u.Scheme == "file" && strings.HasPrefix(text, "file:///"):
		r.Kind, r.local, r.Target, r.pattern = File, true, strings.TrimPrefix(text, "file://"), regexp.MustCompile(headerPattern)
	case u.Scheme != "http" && u.Scheme != "https":
		return Reader{}, fmt.Errorf("%w%s", errNoURL, likely(text))
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

// likely returns a suggestion, in parentheses, of the URL that was probably meant by
// a text.
func likely(text string) string {
	switch {
	case hostLike.MatchString(text):
		text = "http://" + text
	case strings.HasPrefix(text, "/"):
		text = "file://" + text
	case strings.HasPrefix(strings.ToLower(text), "file:/"): // file:/x or file://etc/x
		text = "file:///" + strings.TrimLeft(text[len("file:"):], "/")
	default:
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", printable(text))
}

// hostLike matches a URL without a scheme.
var hostLike = regexp.MustCompile(`^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_{}-]+[.:][A-Za-z0-9_{}.-]+)(:[0-9]+)?(/|$)`)

// checkTarget returns an error if a reader of the kind cannot have the target.
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
		if _, ok := dns.IsDomainName(filled); !ok || !dnsName.MatchString(filled) {
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

// comparable returns an error if the reader cannot be compared with objects of its
// type.
func (r Reader) comparable() error {
	needsPooled := r.Kind == PyBal || r.Kind == DNS || r.Kind == Rendered && r.rendered.lists != listsAll
	if _, ok := r.Type.Field(pooledField); needsPooled && !ok {
		return fmt.Errorf("a reader of kind %s is of no use for type %s, which has no field %s", r.Kind, r.Type.Name, pooledField)
	}
	return nil
}
