"""Creates every configured gateway, under the name that its payments keep."""

from payment_service.config_gateways import ANY_METHOD, GatewaySettings
from payment_service.gateways.base import Gateway
from payment_service.gateways.mollie import MollieGateway
from payment_service.gateways.offline import OfflineGateway
from payment_service.gateways.remote import RemoteGateway
from payment_service.gateways.routing import Gateways
from payment_service.gateways.simulated import SimulatedGateway, SuccessRates


def gateways_from(settings: GatewaySettings) -> Gateways:
    """Return the gateways that the settings name or route to. Stripe's library is imported only if one is Stripe."""
    names = {word: _name(word, settings) for word in settings.gateways}
    routes = {method.upper(): names[word] for method, word in settings.gateway_routes if method != ANY_METHOD}
    return Gateways(
        {name: _gateway(word, settings) for word, name in names.items()},
        names[settings.main_gateway],
        routes,
        # The gateway of release 1.0.0's payments. If it is not configured any more, no other gateway replaces it.
        _name(settings.former_gateway, settings),
    )


def _name(word: str, settings: GatewaySettings) -> str:
    """Return a gateway's name on payments. The name has the mode: test payments do not exist in live mode."""
    is_live = {"stripe": settings.stripe_is_live, "mollie": settings.mollie_is_live}
    return f"{word}/{'live' if is_live[word] else 'test'}" if word in is_live else word


def _gateway(word: str, settings: GatewaySettings) -> Gateway:
    match word:
        case "stripe":
            return _stripe(settings)
        case "mollie":
            return MollieGateway(
                settings.mollie_api_key or "",
                base=settings.mollie_api_base,
                connect_timeout=settings.gateway_connect_timeout,
                read_timeout=settings.gateway_read_timeout,
                webhook_url=settings.mollie_webhook_url,
            )
        case "remote":
            return RemoteGateway(
                settings.gateway_url or "",
                token=settings.gateway_token,
                connect_timeout=settings.gateway_connect_timeout,
                read_timeout=settings.gateway_read_timeout,
            )
        case "offline":
            return OfflineGateway()
        case _:
            return SimulatedGateway(
                SuccessRates(settings.gateway_success_rate, {"checkout": settings.checkout_success_rate}),
                latency_ms=settings.gateway_latency_ms,
            )


def _stripe(settings: GatewaySettings) -> Gateway:
    from payment_service.gateways.stripe import StripeGateway  # noqa: PLC0415 - its library is an optional extra

    return StripeGateway(
        settings.stripe_api_key or "",
        base=settings.stripe_api_base,
        connect_timeout=settings.gateway_connect_timeout,
        read_timeout=settings.stripe_read_timeout,
        webhook_secrets=settings.stripe_webhook_secrets,
    )
