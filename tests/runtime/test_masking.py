"""Keys and passwords stay out of what people read."""

from runtime.masking import mask_url


def test_mask_url_hides_user_and_password_wherever_they_stand() -> None:
    assert mask_url("redis://u:p@ss/w@host:1/0") == "redis://***@host:1/0"
    assert mask_url("unix:///s?password=x&db=1") == "unix:///s?password=***&db=1"
    assert mask_url("unix:///s") == "unix:///s"
