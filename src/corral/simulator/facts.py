"""What a simulated device is: its model, system, identifiers and name, the same again for the same random seed."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from corral.apple.platform import Platform


class Model(StrEnum):
    """The kinds of device that are simulated; the value is Apple's model family."""

    IPHONE = "iPhone"
    IPAD = "iPad"
    MAC = "Mac"
    APPLE_TV = "AppleTV"
    VISION = "RealityDevice"
    WATCH = "Watch"


class _Product(NamedTuple):
    """`chip` begins the UDID of devices that have one of 25 characters; without it the UDID is 40 hex digits,
    or a UUID on a Mac."""

    model: Model
    platform: Platform
    product_name: str
    model_name: str
    model_number: str
    chip: str
    systems: tuple[tuple[str, str], ...]


_IOS: Final = (("17.6.1", "21G101"), ("18.2", "22C152"))
_MACOS: Final = (("14.6.1", "23G93"), ("15.2", "24C101"))

_PRODUCTS: Final = (
    _Product(Model.IPHONE, Platform.IOS, "iPhone14,7", "iPhone", "MPUF3", "00008110", _IOS),
    _Product(Model.IPHONE, Platform.IOS, "iPhone15,2", "iPhone", "MQ0G3", "00008120", _IOS),
    _Product(Model.IPHONE, Platform.IOS, "iPhone17,3", "iPhone", "MYE73", "00008140", (("18.2", "22C152"),)),
    _Product(Model.IPHONE, Platform.IOS, "iPhone10,3", "iPhone", "MQA52", "", (("16.7.10", "20H350"),)),
    _Product(Model.IPAD, Platform.IOS, "iPad13,18", "iPad", "MPQ03", "00008101", _IOS),
    _Product(Model.IPAD, Platform.IOS, "iPad14,8", "iPad", "MUWC3", "00008112", _IOS),
    _Product(Model.MAC, Platform.MACOS, "Mac14,2", "MacBook Air", "MLY33", "", _MACOS),
    _Product(Model.MAC, Platform.MACOS, "Mac15,6", "MacBook Pro", "MRX33", "", _MACOS),
    _Product(Model.MAC, Platform.MACOS, "MacBookPro16,1", "MacBook Pro", "MVVJ2", "", (("13.7.1", "22H221"),)),
    _Product(Model.APPLE_TV, Platform.TVOS, "AppleTV14,1", "Apple TV", "MN893", "00008110", (("18.2", "22K155"),)),
    _Product(
        Model.VISION,
        Platform.VISIONOS,
        "RealityDevice14,1",
        "Apple Vision Pro",
        "MQL83",
        "00008112",
        (("2.2", "22N840"),),
    ),
    _Product(Model.WATCH, Platform.WATCHOS, "Watch7,1", "Apple Watch", "MR933", "00008310", (("11.2", "22S101"),)),
)

_PEOPLE: Final = (
    "Ada", "Amir", "Bea", "Carlos", "Chidi", "Dora", "Edda", "Femi", "Grace", "Hana", "Ida", "Jun", "Kofi", "Lea",
    "Mina", "Noor", "Olga", "Pia", "Quentin", "Rosa", "Sami", "Tove", "Uma", "Vera", "Wim", "Xenia", "Yara", "Zoe",
)  # fmt: skip
_SERIAL_CHARACTERS: Final = "CDFGHJKLMNPQRTVWXY0123456789"
_NEW_SERIAL, _OLD_SERIAL = 10, 12


@dataclass(frozen=True, slots=True)
class Facts:
    """`number` counts the devices of a fleet; `udid` has the form that this model's has."""

    number: int
    model: Model
    platform: Platform
    product_name: str
    model_name: str
    model_number: str
    os_version: str
    build_version: str
    udid: str
    serial_number: str
    device_name: str
    imei: str | None = None

    @property
    def is_mac(self) -> bool:
        return self.platform is Platform.MACOS


def make_facts(random: Random, model: Model | None = None, *, number: int = 0, os_version: str | None = None) -> Facts:
    """A device of this model (None: any but a watch, which goes with a phone).

    `number` makes it another than all others of the same seed. `os_version` picks the one of the models that run it, or
    puts it in the place of the one that was drawn.
    """
    wanted = {model} if model is not None else set(Model) - {Model.WATCH}
    products = [each for each in _PRODUCTS if each.model in wanted]
    if os_version is not None:
        able = [each for each in products if any(os_version == version for version, _ in each.systems)]
        products = able or products
    product = random.choice(products)
    systems = [each for each in product.systems if os_version in (None, each[0])]
    version, build = random.choice(systems or [(os_version or "", product.systems[0][1])])
    new = product.model is Model.MAC or bool(product.chip)
    serial = "".join(random.choices(_SERIAL_CHARACTERS, k=_NEW_SERIAL if new else _OLD_SERIAL))
    owner = random.choice(_PEOPLE)
    return Facts(
        number=number,
        model=product.model,
        platform=product.platform,
        product_name=product.product_name,
        model_name=product.model_name,
        model_number=f"{product.model_number}X/A",
        os_version=version,
        build_version=build,
        udid=_udid(random, product, number),
        serial_number=serial,
        device_name=f"{owner}'s {product.model_name}",
        imei=_imei(random) if product.model is Model.IPHONE else None,
    )


def _udid(random: Random, product: _Product, number: int) -> str:
    if product.model is Model.MAC:
        return str(uuid.UUID(int=random.getrandbits(96) << 32 | number & 0xFFFFFFFF, version=4)).upper()
    if product.chip:
        return f"{product.chip}-{random.getrandbits(32):08X}{number & 0xFFFFFFFF:08X}"
    return f"{random.getrandbits(128):032x}{number & 0xFFFFFFFF:08x}"


def _imei(random: Random) -> str:
    """Fifteen digits, the last of which is Luhn's check of the others."""
    digits = "35" + "".join(random.choices("0123456789", k=12))
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
