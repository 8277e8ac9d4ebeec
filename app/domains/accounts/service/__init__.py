from app.domains.accounts.service.accounts import AccountsService, Tokens
from app.domains.accounts.service.auditing import AuditService
from app.domains.accounts.service.personal_data import PersonalDataService
from app.domains.accounts.service.throttling import SignInThrottle

__all__ = ["AccountsService", "AuditService", "PersonalDataService", "SignInThrottle", "Tokens"]
