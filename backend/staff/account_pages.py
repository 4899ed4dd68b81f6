"""``/personal/konton``: accounts, for administrators."""

from __future__ import annotations

from sanic import HTTPResponse, Request, redirect

from backend.core.errors import Conflict, DomainError, NotFound
from backend.core.people import Role, StaffMember
from backend.staff.account_desk import AccountDesk, Typed
from backend.staff.cases import Failed
from backend.staff.forms import Form
from backend.staff.shell import HOME, ID, Shell

PATH = f"{HOME}/konton"


def setup(shell: Shell, desk: AccountDesk) -> None:
    """Add the pages to the staff app."""
    known, show, bp, house = shell.known, shell.show, shell.bp, shell.house
    shell.way(PATH, "staff.account.nav", desk.open_to)

    async def listed(
        request: Request,
        staff: StaffMember,
        status: int = 200,
        *,
        failed: Failed | None = None,
        fresh: tuple[str, str] | None = None,
    ) -> HTTPResponse:
        return await show(
            request, "accounts", staff, status, accounts=await desk.listing(staff), roles=list(Role),
            units=house.municipality.units, failed=failed or Failed(), fresh=fresh,
        )  # fmt: skip

    async def opened(
        request: Request,
        staff: StaffMember,
        staff_id: str,
        status: int = 200,
        *,
        failed: Failed | None = None,
        fresh: tuple[str, str] | None = None,
    ) -> HTTPResponse:
        return await show(
            request, "account", staff, status, account=await desk.one(staff, staff_id), roles=list(Role),
            units=house.municipality.units, failed=failed or Failed(), fresh=fresh,
            saved=request.args.get("klart") == "sparat",
        )  # fmt: skip

    def failed_of(form: Form, name: str, error: DomainError) -> Failed:
        field = str(error.extra.get("field", "login" if name == "add" else ""))
        taken = isinstance(error, Conflict) and name == "add"
        key = (
            "taken"
            if taken
            else f"{error.code}_{field}"
            if f"staff.account.error.{error.code}_{field}" in house.phrases
            else error.code
        )
        return Failed(name, field, house.phrases.say(f"staff.account.error.{key}"), form.values)

    @bp.get("/konton", name="accounts")
    @known
    async def accounts(request: Request, staff: StaffMember) -> HTTPResponse:
        return await listed(request, staff)

    @bp.post("/konton", name="account-add")
    @known
    async def add(request: Request, staff: StaffMember) -> HTTPResponse:
        """The password is in this answer and nowhere else, so there is no redirect to a page that could be read again."""
        form = Form(request)
        login = form.text("login").strip().lower()
        try:
            password = await desk.add(staff, login, _typed(form))
        except NotFound:
            raise
        except DomainError as error:
            return await listed(request, staff, error.status, failed=failed_of(form, "add", error))
        return await listed(request, staff, fresh=(login, password))

    @bp.get(f"/konton/<staff_id:{ID}>", name="account")
    @known
    async def account(request: Request, staff: StaffMember, staff_id: str) -> HTTPResponse:
        return await opened(request, staff, staff_id)

    @bp.post(f"/konton/<staff_id:{ID}>", name="account-change")
    @known
    async def change(request: Request, staff: StaffMember, staff_id: str) -> HTTPResponse:
        form = Form(request)
        step, version = form.text("step"), form.text("version")
        try:
            if step == "password":
                password = await desk.new_password(staff, staff_id, version)
                told = await desk.one(staff, staff_id)
                return await opened(request, staff, staff_id, fresh=(told.login, password))
            if step in ("leave", "return"):
                await desk.set_active(staff, staff_id, step == "return", version)
            else:
                await desk.change(staff, staff_id, _typed(form), version)
        except NotFound:
            raise
        except DomainError as error:
            return await opened(request, staff, staff_id, error.status, failed=failed_of(form, "change", error))
        return redirect(f"{PATH}/{staff_id}?klart=sparat", status=303)

    def _typed(form: Form) -> Typed:
        return Typed(
            first_name=form.text("first_name"),
            role=form.text("role"),
            also=form.texts("also"),
            qualified=form.text("qualified") == "yes",
            unit=form.text("unit"),
            mail=form.text("mail"),
        )
