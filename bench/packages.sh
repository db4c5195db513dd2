# Installing what a bench needs; sourced by the benches, after scripts/lib.sh.
# shellcheck shell=bash

# missing_packages NEED...: Debian's names of what is not there, of make,
# debootstrap and what is named: PROGRAM:PACKAGE, /FILE:PACKAGE or a Python module.
missing_packages()
{
	local need

	for need in make:make /usr/sbin/debootstrap:debootstrap "$@"; do
		case $need in
			/*) [ -f "${need%%:*}" ] || echo "${need##*:}" ;;
			*:*) have "${need%%:*}" || echo "${need##*:}" ;;
			*) "$PYTHON" -c "import $need" 2> /dev/null || echo "python3-$need" ;;
		esac
	done
}

# install_packages NEED...: as above.
install_packages()
{
	local missing

	missing=$(missing_packages "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	have apt-get || die "please install (Debian's names): $missing"
	say "installing $missing"
	# shellcheck disable=SC2086
	{ apt-get -qq update &&
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
			--no-install-recommends $missing; } > /dev/null ||
		die "apt-get could not install: $missing"
}
