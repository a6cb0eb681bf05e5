"""The verbs of OpenNebula's command line for virtual machines, templates, images, VM and security groups, with their flags.

A name is OpenNebula's: `terminate`, or `terminate --hard` for one of its flags.
"""

from __future__ import annotations

from nebula.cli.opennebula.rows import Row, done, none, refused

_TOGETHER = "a backup's disks are of one moment and come back together"
_WHOLE = "each backup is whole: its own id"
_DATASTORE = "a disk comes to another datastore by itself, also while the VM runs: vm disk-move"


def _ownership(noun: str) -> tuple[Row, ...]:
    return tuple(row for verb in ("chgrp", "chown", "chmod") for row in done(f"{noun} {verb}", verb))


def _locks(noun: str) -> tuple[Row, ...]:
    return (
        *done(f"{noun} lock", "lock", note="--use, --manage, --admin, --all; administrators pass, and so does looking at it"),
        *done(f"{noun} unlock", "unlock", note="who locked it, and administrators"),
    )


def _scheduled(name: str) -> tuple[Row, ...]:
    return done(f"schedule create VM {name} TIME", f"{name} SCHED")


ONEVM: tuple[Row, ...] = (
    *done("vm create", "create"),
    *done("vm create --dry-run", "create --dry"),
    *done("vm create --hold", "create --hold"),
    *done("vm create --count", "create --multiple"),
    *done("vm update --set", "update", note="it changes what it names; an empty value takes an attribute away"),
    *none("update always appends", "update --append"),
    *done("vm hold", "hold"),
    *_scheduled("hold"),
    *done("vm release", "release"),
    *_scheduled("release"),
    *done("vm disk-saveas", "disk-saveas"),
    *done("vm disk-saveas --snapshot", "disk-saveas --snapshot"),
    *none("an image of a disk is of the disk's own type", "disk-saveas --type"),
    *done("vm terminate", "terminate"),
    *_scheduled("terminate"),
    *done("vm terminate --hard", "terminate --hard"),
    *done("vm undeploy", "undeploy"),
    *_scheduled("undeploy"),
    *done("vm undeploy --hard", "undeploy --hard"),
    *done("vm poweroff", "poweroff"),
    *_scheduled("poweroff"),
    *done("vm poweroff --hard", "poweroff --hard"),
    *done("vm reboot", "reboot"),
    *_scheduled("reboot"),
    *done("vm reboot --hard", "reboot --hard"),
    *done("vm deploy --host", "deploy", note=_DATASTORE),
    *none("capacity is always enforced; --force goes against the rules of a VM group", "deploy --enforce"),
    *refused("cards in auto mode have their networks when the VM is made", "deploy --file"),
    *done("vm migrate", "migrate", note=f"the scheduler chooses without --host; {_DATASTORE}"),
    *none("capacity is always enforced; --force goes against the rules of a VM group", "migrate --enforce"),
    *done("vm migrate --live", "migrate --live"),
    *done("vm migrate", "migrate --poff", note="what it does without --live"),
    *done("vm migrate --hard", "migrate --poff-hard"),
    *done("vm stop", "stop"),
    *_scheduled("stop"),
    *done("vm suspend", "suspend"),
    *_scheduled("suspend"),
    *done("vm resume", "resume"),
    *_scheduled("resume"),
    *none("exactly one way is to be given", "recover"),
    *(
        row
        for way in ("delete", "delete-db", "failure", "recreate", "retry", "success")
        for row in done(f"vm recover --{way}", f"recover --{way}")
    ),
    *none("vm describe says what went wrong and what may be typed", "recover --interactive"),
    *done("vm disk-attach", "disk-attach", note="10G, image=NAME, or any of DISK's attributes: image=data,cache=writeback"),
    *done("vm disk-attach", *(f"disk-attach --{flag}" for flag in ("cache", "discard", "image", "prefix", "target"))),
    *none("attributes are typed: image=data,cache=writeback", "disk-attach --file"),
    *done("vm disk-detach", "disk-detach"),
    *done("vm nic-attach", "nic-attach", note="lan, or any of NIC's attributes: lan:ip=10.0.0.9,model=virtio"),
    *done("vm nic-attach", "nic-attach --ip", "nic-attach --network"),
    *none("attributes are typed: lan:ip=10.0.0.9", "nic-attach --file"),
    *done("vm nic-attach --alias", "nic-attach --alias", note="a card by its name, number or MAC address"),
    *done("vm nic-attach --name", "nic-attach --nic_name"),
    *done(
        "vm pci-attach --network",
        *(f"nic-attach --{flag}" for flag in ("pci", "pci_class", "pci_device", "pci_vendor")),
        note="a virtual function by vendor:device:class or address, while the VM is off",
    ),
    *done("vm nic-detach", "nic-detach", note="a card takes its aliases along"),
    *done("vm nic-update --set", "nic-update", note="its bandwidth; everything else is another card: nic-detach, nic-attach"),
    *none("nic-update always appends", "nic-update --append"),
    *done("vm nic-update --set SECURITY_GROUPS=GROUPS", "sg-attach", "sg-detach", note="it names all that the card has"),
    *_ownership("vm"),
    *done("vm resched", "resched"),
    *done("vm unresched", "unresched"),
    *done("vm rename", "rename"),
    *(
        row
        for verb in ("snapshot-create", "snapshot-revert", "snapshot-delete")
        for row in (*done(f"vm {verb}", verb), *_scheduled(verb))
    ),
    *done("vm snapshot-list", "snapshot-list"),
    *(
        row
        for verb in ("disk-snapshot-create", "disk-snapshot-revert", "disk-snapshot-delete")
        for row in (*done(f"vm {verb}", verb), *_scheduled(verb))
    ),
    *done("vm disk-snapshot-rename", "disk-snapshot-rename"),
    *done("vm disk-snapshot-list", "disk-snapshot-list"),
    *done("vm disk-resize", "disk-resize"),
    *done("vm list", "list"),
    *done("vm list --format wide", "list --extended"),
    *none("sizes have their unit with them", "list --kilobytes", "top --kilobytes"),
    *done("vm list", "list --search", note="conditions: 'name~abc' state=RUNNING 'memory>2G'"),
    *done("vm show", "show"),
    *done("vm show --format yaml", "show --all"),
    *none("what is secret is shown to nobody but by template show --secrets", "show --decrypt"),
    *done("vm top", "top", note="what VMs use; the list that refreshes is vm list --watch"),
    *done("vm list --watch --format wide", "top --extended"),
    *done("vm resize --memory --cpus --cpu", "resize", "resize --cpu", "resize --memory", "resize --vcpu"),
    *done("vm resize --no-enforce", "resize --enforce", note="it is enforced unless an administrator says --no-enforce"),
    *none("three options say all of it", "resize --file"),
    *done("vm save | vm clone", "save"),
    *done("vm save --persistent", "save --persistent"),
    *done("vm update --set", "backupmode", note="BACKUP_CONFIG={MODE=FULL}"),
    *done("vm backup", "backup"),
    *_scheduled("backup"),
    *done("vm backup --datastore", "backup --datastore"),
    *done("vm backup --full", "backup --reset"),
    *done("job cancel", "backup-cancel"),
    *done("backup restore --in-place", "restore"),
    *refused(_TOGETHER, "restore --disk-id"),
    *none(_WHOLE, "restore --increment"),
    *done("vm update --file --context", "updateconf", note="a running guest is given another CD; the rest while it is off"),
    *none("update always appends", "updateconf --append"),
    *_locks("vm"),
    *done("vm exec", "exec"),
    *done("vm exec --stdin", "exec --stdin"),
    *none("vm exec stays until the command ends, tells how, and kills it at Ctrl-C", "exec-retry", "exec-cancel"),
    *done("vm create-chart --template", "create-chart", note="a charter is the SCHED_ACTION of a template"),
    *done("schedule remove", "delete-chart", "sched-delete"),
    *done("schedule update", "update-chart", "sched-update"),
    *done("vm pci-attach", "pci-attach", note="vendor:device:class, or the address 3b:00.0"),
    *done("vm pci-attach", *(f"pci-attach --{flag}" for flag in ("pci", "pci_class", "pci_device", "pci_vendor"))),
    *done("vm pci-detach", "pci-detach", note="by its name, number or address"),
    *none("attributes are typed", "pci-attach --file"),
    *done("vm ssh", "ssh", note="--user is who logs in, --jump goes through the host"),
    *done("vm ssh", "ssh --cmd", note="behind --: vm ssh web -- uptime"),
    *done("vm ssh --nic", "ssh --nic-id", note="an alias, too; the first address that was leased without it"),
    *none("~/.ssh/config has them", "ssh --ssh-options"),
    *refused("guests are reached by their addresses, or through their host by vm ssh --jump", "port-forward"),
    *none("there is no port-forward", "port-forward --nic-id"),
    *done("vm vnc", "vnc", note="vm spice for SPICE"),
    *done("vm vnc --open", "vnc --vnc"),
    *done("vm update --set VMGROUP=GROUP:ROLE", "vmgroup-add"),
    *done("vm update --set VMGROUP=", "vmgroup-del"),
)
ONETEMPLATE: tuple[Row, ...] = (
    *done("template create", "create"),
    *done("template create --dry-run", "create --dry"),
    *none("chown and chgrp give a template to somebody", "create --as_gid", "create --as_uid"),
    *done("template clone", "clone"),
    *done("template clone --recursive", "clone --recursive"),
    *done("template delete", "delete"),
    *done("template delete --recursive", "delete --recursive"),
    *done("template instantiate", "instantiate"),
    *none("a VM belongs to who makes it; chown gives it away", "instantiate --as_gid", "instantiate --as_uid"),
    *done("template instantiate --hold", "instantiate --hold"),
    *done("template instantiate --count", "instantiate --multiple"),
    *done("template instantiate --persistent", "instantiate --persistent"),
    *none("--name has %i where a VM's number goes", "instantiate --prefix"),
    *_ownership("template"),
    *done("template chmod --recursive", "chmod --recursive"),
    *done("template update", "update"),
    *done("template update --append", "update --append"),
    *done("template rename", "rename"),
    *done("template list", "list"),
    *done("template show", "show"),
    *done("template explain", "show --extended", note="and where a VM of it could run"),
    *done("template list --watch", "top"),
    *_locks("template"),
)
ONEIMAGE: tuple[Row, ...] = (
    *done("image create", "create"),
    *done("image create --datastore", "create --datastore"),
    *done("image create --description", "create --description"),
    *done("image create --dry-run", "create --dry"),
    *done("image create --format", "create --format"),
    *done("image create --path | image create --url", "create --path"),
    *done("image create --persistent", "create --persistent"),
    *done("image create --size", "create --size"),
    *done("image create --type", "create --type", note="os, datablock, cdrom, context, kernel, ramdisk"),
    *none("the name stands behind create", "create --name"),
    *none("space is looked at where the file is put", "create --no_check_capacity"),
    *refused("a VM's DISK says its bus and name: disk-attach image=data,dev_prefix=sd", "create --prefix", "create --target"),
    *refused("guests make their file systems; FS of a volatile disk has one made", "create --fs"),
    *done("image create --source", "create --source"),
    *none("its datastore says what an image is", "create --disk_type"),
    *done("image clone", "clone"),
    *done("image clone --datastore", "clone --datastore"),
    *done("image remove", "delete"),
    *refused("an image that a VM uses stays", "delete --force"),
    *done("image persistent", "persistent"),
    *done("image nonpersistent", "nonpersistent"),
    *done("image update --set", "update", note="it changes what it names; an empty value takes an attribute away"),
    *none("update always appends", "update --append"),
    *done("image enable", "enable"),
    *done("image disable", "disable", note="an image that no VM has"),
    *done("image chtype", "chtype", note="os, datablock and cdrom, of an image that no VM has; a CD is raw"),
    *_ownership("image"),
    *done("image rename", "rename"),
    *none(
        "snapshots belong to a VM's disk, and go with it: vm disk-snapshot-delete, vm disk-saveas --snapshot",
        *("snapshot-delete", "snapshot-revert", "snapshot-flatten"),
    ),
    *done("backup restore", "restore"),
    *done("backup restore --datastore", "restore --datastore"),
    *done("backup restore --name", "restore --name"),
    *refused(_TOGETHER, "restore --disk-id"),
    *none(_WHOLE, "restore --increment"),
    *none("a VM that is restored has addresses of its own", "restore --no_ip"),
    *refused("vm nic-detach takes its cards, with backup restore --hold before its first start", "restore --no_nic"),
    *done("backup list", "list --backup"),
    *done("backup list --watch", "top --backup"),
    *done("image list", "list"),
    *done("image show", "show"),
    *none("images hold no secrets", "show --decrypt"),
    *done("image list --watch", "top"),
    *_locks("image"),
    *none("the engine deletes a file with its image", "orphans"),
)
ONESECGROUP: tuple[Row, ...] = (
    *done("securitygroup create", "create"),
    *done("securitygroup clone", "clone"),
    *done("securitygroup remove", "delete"),
    *_ownership("securitygroup"),
    *done("securitygroup update --file", "update", note="running VMs get the rules at once; a commit is not needed"),
    *done("securitygroup update --inbound", "update --append"),
    *done("securitygroup rename", "rename"),
    *done("securitygroup commit", "commit", note="tells all hosts again"),
    *none("a host that did not answer is told when it does", "commit --recover"),
    *done("securitygroup list", "list"),
    *done("securitygroup show", "show"),
)
ONEVMGROUP: tuple[Row, ...] = (
    *done("vmgroup create", "create"),
    *done("vmgroup remove", "delete"),
    *done("vmgroup list", "list"),
    *done("vmgroup show", "show"),
    *_ownership("vmgroup"),
    *done("vmgroup update", "update"),
    *none("it names the roles and rules that change", "update --append"),
    *done("vmgroup rename", "rename"),
    *_locks("vmgroup"),
    *done("vmgroup update --role", "role-add", "role-update"),
    *done("vmgroup update --without", "role-delete"),
)
TMPL: tuple[Row, ...] = (
    *done("vm create NAME", "--name"),
    *done("vm create --cpu", "--cpu"),
    *done("vm create --cpus", "--vcpu"),
    *done("vm create --memory", "--memory"),
    *done("vm create --image --disk", "--disk"),
    *done("vm create --network", "--nic"),
    *done("vm create --boot", "--boot"),
    *done("vm create --context", "--context"),
    *none("guests are told of their cards unless --context NETWORK=NO", "--net_context"),
    *done("vm create --ssh-key", "--ssh"),
    *done("vm create --start-script", "--startscript"),
    *done("vm create --context INIT_SCRIPTS=NAMES", "--init"),
    *done("vm create --context FILES_DS=NAME", "--files_ds"),
    *done("vm create --context REPORT_READY=YES", "--report_ready"),
    *done("vm create --graphics vnc", "--vnc"),
    *done("vm create --graphics spice", "--spice"),
    *done("vm create --file", "--raw", "--video", "--arch", note="the group RAW, VIDEO or OS in a file"),
    *done("template create --file", "--user-inputs", note="the group USER_INPUTS in a file"),
)
LISTS: tuple[Row, ...] = (
    *done("vm list --columns", "-l --list"),
    *refused("--columns takes any, and a shell's alias keeps them", "-c --listconf"),
    *done("vm list --format csv", "--csv"),
    *none("fields are separated by commas", "--csv-del"),
    *done("vm list", "-f --filter", note="'memory>2G' state=RUNNING,POWEROFF 'name~^web'"),
    *none("all conditions hold; state=A,B is either", "--operator"),
    *done("vm list --format name", "--no-header", note="or csv, json, jsonl, yaml; a table keeps its header"),
    *none("nothing is paged", "--no-pager"),
    *none("columns are as wide as what is in them and the terminal", "--adjust", "-s --size"),
    *none("each value is one text", "--expand", "--no-expand"),
    *done("vm list --watch", "-d --delay", note="it follows events and has no delay"),
    *none("a wrong column is answered with all that there are", "--describe"),
    *none("owners and hosts are names", "-n --numeric"),
    *refused("JSON has all of it; templates are printed as XML", "-x --xml"),
    *done("vm list --format json", "-j --json", "-y --yaml", note="json, jsonl, yaml, csv"),
)
FAMILIES: dict[str, tuple[Row, ...]] = {
    "onevm": ONEVM,
    "onetemplate": ONETEMPLATE,
    "oneimage": ONEIMAGE,
    "onevmgroup": ONEVMGROUP,
    "onesecgroup": ONESECGROUP,
}
"""OpenNebula's command -> its verbs and their flags, but for those that all share."""


def meant(noun: str, verb: str) -> Row | None:
    """What OpenNebula's verb of our noun is here."""
    family = "onesecgroup" if noun == "securitygroup" else f"one{noun}"
    return next((row for row in FAMILIES.get(family, ()) if row.name == verb), None)
