"""Templates of the façade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.jobs.runner import Runner
from nebula.engine.leases import Leases
from nebula.engine.local import template_views
from nebula.engine.local.access import Right, may, mode_of, needed_to_set, require
from nebula.engine.local.base import OwnedNoun, free_name, handed_over, resolve, usable
from nebula.engine.local.creation import Creation
from nebula.engine.local.images import LocalImages
from nebula.engine.machines.template import regular
from nebula.engine.secrets import secrets_of
from nebula.engine.services import Services
from nebula.engine.store.rows import ImageRow, TemplateRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.store.writer import DryRun
from nebula.engine.templates.instance import instance_of
from nebula.engine.templates.restricted import require_unrestricted
from nebula.errors import DeniedError, NebulaError, StaleError, UsageError
from nebula.model.template import Template, merged, plain, read_inputs
from nebula.names import check_name

Attributes = Mapping[str, Any]


class LocalTemplates(OwnedNoun):
    """See nebula.engine.api.verbs.Templates."""

    noun = "template"
    kind = TemplateRow

    def __init__(self, services: Services, runner: Runner, leases: Leases, images: LocalImages) -> None:
        super().__init__(services, runner)
        self._leases = leases
        self._images = images

    def show(self, ref: str) -> Detail:
        """See Templates.show."""
        queries = self._store.read()
        return template_views.show(queries, resolve(queries, TemplateRow, ref), self.person)

    def text(self, ref: str) -> Detail:
        """See Templates.text."""
        row = resolve(self._store.read(), TemplateRow, ref)
        return Detail(kind="template", id=row.id, name=row.name, body=row.body["template"])

    def create(self, template: Attributes, call: Call) -> Accepted:
        """See Templates.create."""
        given = plain(template)
        name = check_name("template", str(given.pop("NAME", "")))
        _check(given)
        require_unrestricted(self.person, given)

        def work(tx: Transaction) -> Accepted:
            row = self._insert(tx, name, given, call)
            return self._told(tx, row, "created", call)

        return self._change(call, work)

    def update(
        self, ref: str, template: Attributes, call: Call, append: bool = False, before: Attributes | None = None
    ) -> Accepted:
        """See Templates.update."""
        given = plain(template)

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, TemplateRow, ref)
            stored: Template = row.body["template"]
            if before is not None and plain(before) != stored:
                raise StaleError(
                    f"template {row.name} ({row.id}) was changed by somebody else meanwhile",
                    hint=f"nebula template show {row.id}",
                )
            if given.pop("NAME", row.name) != row.name:
                raise UsageError(
                    f"an update gives template {row.name} no other name", hint=f"nebula template rename {row.id} NAME"
                )
            after = _appended(stored, given) if append else given
            _check(after)
            require_unrestricted(self.person, after, stored)
            changed = sorted(name for name in {*stored, *after} if stored.get(name) != after.get(name))
            tx.swap(row, body={**row.body, "template": after}, changed=tx.now)
            return self._told(tx, row, "updated", call, changed=changed)

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name; VMs know it by its id."""
        return self._rename(TemplateRow, ref, name, call)

    def clone(self, ref: str, name: str, call: Call, images: bool = False) -> Accepted:
        """See Templates.clone. Who may only use a template gets no copy of its secrets."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, TemplateRow, ref)
            copy, jobs = self._copy(tx, row, name, call, images=images)
            told = self._told(tx, copy, "created", call, source=row.id)
            return _with_jobs(told, jobs)

        return self._change(call, work)

    def instantiate(
        self,
        ref: str,
        call: Call,
        name: str = "",
        extra: Attributes | None = None,
        inputs: Attributes | None = None,
        hold: bool = False,
        persistent: bool = False,
    ) -> Accepted:
        """See Templates.instantiate."""
        if name:
            check_name("vm", name)

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, TemplateRow, ref)
            if persistent:
                row, _ = self._copy(tx, row, name or f"{row.name}-copy", call, images=True, persistent=True)
                self._told(tx, row, "created", call)
            vm = self._instance(tx, row, call, {**(extra or {}), **({"NAME": name} if name else {})}, inputs, hold=hold)
            would = (f"create VM {vm.name}: {vm.cpu / 100:g} CPU, {vm.memory} MiB, address {vm.ips or 'none'}",)
            return Accepted(kind="vm", id=vm.id, name=vm.name, would=would if call.dry_run else ())

        return self._change(call, work)

    def explain(self, ref: str, call: Call, extra: Attributes | None = None, inputs: Attributes | None = None) -> Detail:
        """See Templates.explain: a VM is made of it in a transaction that is rolled back."""

        def work(tx: Transaction) -> Detail:
            row = resolve(tx, TemplateRow, ref) if ref else _unstored(extra)
            found = template_views.explanation(row.body["template"], plain(extra or {}))
            try:
                vm = self._instance(tx, row, call, extra if ref else {}, inputs, hold=False)
            except NebulaError as error:
                found["problem"] = error.as_dict()
            else:
                found |= template_views.prospect(tx, vm)
            raise DryRun(Detail(kind="template", id=row.id, name=row.name, body=found))

        detail: Detail = self._store.write(work)
        return detail

    def remove(self, ref: str, call: Call, images: bool = False) -> Accepted:
        """See Templates.remove. Its VMs stay."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, TemplateRow, ref)
            jobs = [self._images.remove_in(tx, image, call).job_id for image in self._disks(tx, row)] if images else []
            tx.delete(row)
            return _with_jobs(self._told(tx, row, "removed", call), jobs)

        return self._change(call, work)

    def chmod(self, ref: str, mode: str, call: Call, images: bool = False) -> Accepted:
        """See Templates.chmod."""
        wanted = mode_of(mode)

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, TemplateRow, ref)
            told = handed_over(tx, row, "mode", wanted, call)
            of_images = [self._with_mode(tx, image, wanted, call) for image in self._disks(tx, row)] if images else []
            return msgspec.structs.replace(told, would=(*told.would, *(line for one in of_images for line in one.would)))

        return self._change(call, work)

    # --- parts

    def _with_mode(self, tx: Transaction, image: ImageRow, mode: int, call: Call) -> Accepted:
        require(self.person, image, needed_to_set(image, mode), image.name)
        return handed_over(tx, image, "mode", mode, call)

    def _insert(self, tx: Transaction, name: str, template: Template, call: Call) -> TemplateRow:
        return tx.insert(
            TemplateRow(
                name=free_name(tx, TemplateRow, name),
                **self._belongs(call),
                created=tx.now,
                changed=tx.now,
                body={"template": template},
            )
        )

    def _instance(
        self, tx: Transaction, row: TemplateRow, call: Call, extra: Attributes | None, inputs: Attributes | None, *, hold: bool
    ) -> VmRow:
        template: Template = row.body["template"]
        found = instance_of(template, row.name, extra=extra, inputs=inputs)
        trusted = self._services.people.person(row.owner).admin if row.id else self.person.admin
        require_unrestricted(self.person, found, template if trusted else None)
        if row.id:
            found["TEMPLATE_ID"] = str(row.id)
        check_name("vm", str(found.get("NAME") or row.name))
        creation = Creation(tx, self._services, self._leases, call.actor, self.person)
        return creation.create(regular(found), hold=hold, template_id=row.id or -1, prefix=row.name)

    def _copy(
        self, tx: Transaction, row: TemplateRow, name: str, call: Call, *, images: bool, persistent: bool = False
    ) -> tuple[TemplateRow, list[int]]:
        """The copy, and the jobs that copy its images: each disk gets one of its own."""
        hidden = secrets_of(row.body["template"])
        if hidden and not may(self.person, row, Right.MANAGE):
            raise DeniedError(
                f"{self.person.name} may not clone template {row.name} ({row.id})",
                cause=f"it holds what only those who manage it may see: {', '.join(hidden[:10])}",
                hint=f"nebula template instantiate {row.id}",
            )
        require_unrestricted(self.person, row.body["template"])
        template, jobs = dict(row.body["template"]), list[int]()
        if images:
            disks = template.get("DISK", [])
            copied = [
                self._with_copy(tx, disk, f"{name}-disk-{number}", call, jobs, persistent=persistent)
                for number, disk in enumerate(disks if isinstance(disks, list) else [disks])
            ]
            template["DISK"] = copied[0] if len(copied) == 1 else copied
        return self._insert(tx, check_name("template", name), template, call), jobs

    def _with_copy(
        self, tx: Transaction, disk: Any, name: str, call: Call, jobs: list[int], *, persistent: bool
    ) -> dict[str, str]:
        ref = disk.get("IMAGE_ID", disk.get("IMAGE"))
        if ref is None:
            return dict(disk)
        image = usable(tx, ImageRow, str(ref), self.person)
        copy, job = self._images.clone_in(tx, image, name, call, persistent=persistent)
        jobs.append(job.id)
        kept = {key: value for key, value in disk.items() if not key.startswith("IMAGE")}
        return {"IMAGE_ID": str(copy.id), **kept}

    def _disks(self, queries: Queries, row: TemplateRow) -> list[ImageRow]:
        """The images of its disks, each once, all of which the person may manage."""
        disks = regular({"DISK": row.body["template"].get("DISK", [])})["DISK"]
        named = [str(ref) for disk in disks if (ref := disk.get("IMAGE_ID", disk.get("IMAGE"))) is not None]
        found = [usable(queries, ImageRow, ref, self.person, Right.MANAGE) for ref in named]
        return list({image.id: image for image in found}.values())


def _with_jobs(told: Accepted, jobs: Sequence[int]) -> Accepted:
    return msgspec.structs.replace(told, job_id=jobs[0], further=tuple(jobs[1:])) if jobs else told


def _appended(before: Template, given: Template) -> Template:
    """An empty value takes an attribute away, as it does wherever attributes are set."""
    return {name: value for name, value in merged(before, given).items() if value != "" or name not in given}


def _check(template: Template) -> None:
    """UsageError for what no VM could be made of, whatever the answers."""
    regular(template)
    read_inputs(template)


def _unstored(template: Attributes | None) -> TemplateRow:
    """A template that is only looked at."""
    given = plain(template or {})
    name = str(given.pop("NAME", "") or "template")
    return TemplateRow(name=name, body={"template": given})
