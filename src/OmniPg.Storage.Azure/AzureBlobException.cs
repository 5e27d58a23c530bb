using Azure;

namespace OmniPg.Storage.Azure;

/// <summary>Base of what <see cref="AzureBlobStore"/> reports. Messages name container, key, status and the service's id of the request.</summary>
public abstract class AzureBlobException : OmniPgException
{
    private protected AzureBlobException(string code, string message, string? hint = null, Exception? innerException = null)
        : base(code, message, hint, innerException)
    {
    }

    internal static AzureBlobException From(Exception error, string what) => (error as AggregateException)?.InnerExceptions[^1] is { } last ? From(last, what) : error switch
    {
        RequestFailedException { ErrorCode: "ContainerNotFound" or "ContainerBeingDeleted" } e => new AzureContainerMissingException($"{what}: the container does not exist{Service(e)}.", e),
        RequestFailedException { Status: 401 or 403 } e => new AzureAccessDeniedException($"{what}: refused{Service(e)}.", e),
        RequestFailedException { Status: >= 500 or 429 or 408 or 0 } e => new AzureUnavailableException($"{what}: the service cannot answer now{Service(e)}.", e),
        RequestFailedException e => new AzureRequestException($"{what}: not accepted{Service(e)}.", e),
        _ => new AzureUnavailableException($"{what}: no answer: {error.Message}", error),
    };

    private static string Service(RequestFailedException e) =>
        $" (status '{e.Status}', error '{e.ErrorCode}'{(e.GetRawResponse()?.Headers.RequestId is { Length: > 0 } id ? $", request '{id}'" : "")})";
}

/// <summary>The key or signature may not do that, or is wrong. Code <c>azure.access-denied</c>.</summary>
public sealed class AzureAccessDeniedException : AzureBlobException
{
    internal AzureAccessDeniedException(string message, Exception innerException)
        : base("azure.access-denied", message, "Look at the key, the permissions and times of the signature, and the clock of this machine.", innerException)
    {
    }
}

/// <summary>The container is not there; it is never created here. Code <c>azure.container-missing</c>.</summary>
public sealed class AzureContainerMissingException : AzureBlobException
{
    internal AzureContainerMissingException(string message, Exception innerException)
        : base("azure.container-missing", message, "Look at the container's name and the account; create the container if this is its first use.", innerException)
    {
    }
}

/// <summary>No answer, or one that says "later", after all repetitions. Code <c>azure.unavailable</c>; transient.</summary>
public sealed class AzureUnavailableException : AzureBlobException
{
    internal AzureUnavailableException(string message, Exception innerException)
        : base("azure.unavailable", message, null, innerException)
    {
    }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>The service does not accept the request and would not accept it later. Code <c>azure.request</c>.</summary>
public sealed class AzureRequestException : AzureBlobException
{
    internal AzureRequestException(string message, Exception? innerException = null, string? hint = null)
        : base("azure.request", message, hint, innerException)
    {
    }
}
