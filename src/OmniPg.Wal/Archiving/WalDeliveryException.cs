namespace OmniPg.Wal;

/// <summary>At least one required destination does not hold the file, so it is not archived. All destinations were tried. Code <c>wal.archive.delivery</c>.</summary>
public sealed class WalDeliveryException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="result">What became of every destination.</param>
    public WalDeliveryException(WalArchiveResult result)
        : base("wal.archive.delivery", Describe(result), "Deliver again: only the failed destinations get the file.", Failed(result).First().Error)
    {
        File = result.File.ToString();
        Result = result;
        Failures = [.. Failed(result).Select(static d => d.Error!)];
    }

    /// <summary>What became of every destination, the successful ones included.</summary>
    public WalArchiveResult Result { get; }

    /// <summary>The errors of the required destinations that failed, each naming its destination.</summary>
    public IReadOnlyList<WalException> Failures { get; }

    /// <summary>Whether every failure may go away by itself.</summary>
    public override bool IsTransient => Failures.All(static f => f.IsTransient);

    private static string Describe(WalArchiveResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var failed = Failed(result).ToArray();
        return $"'{result.File}' is not archived: {failed.Length} of {result.Destinations.Count} destinations failed. {string.Join(' ', failed.Select(f => f.Error!.Message))}";
    }

    private static IEnumerable<WalDestinationResult> Failed(WalArchiveResult result) =>
        result.Destinations.Where(static d => d is { IsRequired: true, Error: not null });
}
