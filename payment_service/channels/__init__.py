"""The registry of channels: one line each."""

from payment_service.channels.bills import CHANNEL as BILLS
from payment_service.channels.bookings import CHANNEL as BOOKINGS
from payment_service.channels.checkout import CHANNEL as CHECKOUT
from payment_service.channels.orders import CHANNEL as ORDERS
from payment_service.channels.trips import CHANNEL as TRIPS
from payment_service.web.channel import Channel

CHANNELS: tuple[Channel, ...] = (
    TRIPS,
    BILLS,
    BOOKINGS,
    CHECKOUT,
    ORDERS,
)
