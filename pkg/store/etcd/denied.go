package etcd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/conftool/confctl/pkg/store"
)

// need is a permission that a request takes.
type need struct {
	span
	write bool
}

// denied is the error of a request that the user may not make. The server does
// not say which permission is missing, but it tells everybody their own.
func (s *Store) denied(ctx context.Context, c *call, u *session, err error) error {
	e := &store.DeniedError{User: s.who, Err: saying(err, "%s", reason(err))}
	switch {
	case errors.Is(err, rpctypes.ErrAuthFailed):
		e.Err = saying(err, "wrong user or password")
	case errors.Is(err, rpctypes.ErrUserEmpty):
		e.Err = saying(err, "the store wants a user")
	default:
		e.Grant = missing(c.needs, s.permissions(ctx, u))
	}
	return e
}

// permissions returns what the user may do; nothing if that is not to be had.
func (s *Store) permissions(ctx context.Context, u *session) []*authpb.Permission {
	if s.who == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Attempt)
	defer cancel()
	user, err := u.UserGet(ctx, s.who)
	if err != nil {
		return nil
	}
	var all []*authpb.Permission
	for _, name := range user.Roles {
		role, err := u.RoleGet(ctx, name)
		if err != nil {
			return nil
		}
		all = append(all, role.Perm...)
	}
	return all
}

// missing words the first needs, to read and to write, that no permission
// covers, such as "read /conftool/v1/pools/ and write /conftool/.confctl/journal/".
func missing(needs []need, has []*authpb.Permission) string {
	var phrases []string
	for _, verb := range []string{"read ", "write "} {
		i := slices.IndexFunc(needs, func(n need) bool {
			return n.write == (verb == "write ") && !slices.ContainsFunc(has, n.coveredBy)
		})
		if i >= 0 {
			key := needs[i].key
			phrases = append(phrases, verb+cmp.Or(key[:strings.LastIndexByte(key, '/')+1], key))
		}
	}
	return strings.Join(phrases, " and ")
}

// coveredBy reports whether one permission is enough for a need.
func (n need) coveredBy(p *authpb.Permission) bool {
	if p.PermType != authpb.Permission_READWRITE && (p.PermType == authpb.Permission_WRITE) != n.write {
		return false
	}
	has := span{string(p.Key), string(p.RangeEnd)}
	open := has.end == "\x00" // to the end of all keys
	return has.key <= n.key && (open || n.upto() <= has.upto())
}
