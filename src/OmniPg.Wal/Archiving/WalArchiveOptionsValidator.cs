using Microsoft.Extensions.Options;

namespace OmniPg.Wal;

/// <summary>Finds everything that is wrong with the options at once, before the first byte.</summary>
internal sealed class WalArchiveOptionsValidator : IValidateOptions<WalArchiveOptions>
{
    private const int MaxAttempts = 100;

    public ValidateOptionsResult Validate(string? name, WalArchiveOptions options)
    {
        List<string> failures = [.. Failures(options)];
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    public static IEnumerable<string> Failures(WalArchiveOptions options)
    {
        if (string.IsNullOrEmpty(options.DataDirectory))
            yield return "DataDirectory is empty.";
        if (options.Timeout <= TimeSpan.Zero)
            yield return $"Timeout '{options.Timeout}' must be more than zero.";
        if (options.OptionalGrace <= TimeSpan.Zero)
            yield return $"OptionalGrace '{options.OptionalGrace}' must be more than zero.";
        if (options.MaxParallelism < 1)
            yield return $"MaxParallelism '{options.MaxParallelism}' must be at least '1'.";
        if (string.IsNullOrEmpty(options.RsyncProgram))
            yield return "RsyncProgram is empty.";
        if (options.TemporaryDirectory is { } temporary && !Directory.Exists(temporary))
            yield return $"TemporaryDirectory '{temporary}' does not exist.";
        if (options.Destinations.Count == 0)
            yield return "There is no destination.";
        if (options.StateDirectory is null && options.Destinations.Count(d => d.IsRequired && !d.WhenExists) > 1)
            yield return "Two or more required destinations need StateDirectory, to know after a failure which of them hold the file.";
        if (options.StateDirectory is { } state && !Directory.Exists(state))
            yield return $"StateDirectory '{state}' does not exist.";
        foreach (var failure in options.Destinations.SelectMany(DestinationFailures))
            yield return failure;
    }

    private static IEnumerable<string> DestinationFailures(WalDestinationOptions destination)
    {
        var place = destination.Place;
        var kinds = new object?[] { destination.Directory, destination.Rsync, destination.Pipe, destination.Sink }.Count(k => k is not null);
        if (kinds != 1 || place.Length == 0)
            yield return $"Destination '{destination.Name ?? place}' must have exactly one of Directory, Rsync, Pipe and a store.";
        if (destination.WhenExists && destination.Directory is null)
            yield return $"Destination '{place}' can be left out while absent only when it is a directory.";
        if (destination.Layout == WalLayout.Sharded && (destination.Rsync ?? destination.Pipe) is not null)
            yield return $"Destination '{place}' takes bare file names and cannot be sharded.";
        if (destination.Timeout <= TimeSpan.Zero)
            yield return $"Timeout '{destination.Timeout}' of destination '{place}' must be more than zero.";
        if (destination.Attempts is < 1 or > MaxAttempts)
            yield return $"Attempts '{destination.Attempts}' of destination '{place}' must be between '1' and '{MaxAttempts}'.";
        if (destination.RetryDelay < TimeSpan.Zero)
            yield return $"RetryDelay '{destination.RetryDelay}' of destination '{place}' must not be negative.";
        if (CodecFailure(destination) is { } failure)
            yield return $"Destination '{place}': {failure}";
    }

    private static string? CodecFailure(WalDestinationOptions destination)
    {
        try
        {
            Codec.Parse(destination.Codec).CheckLevel(destination.Level);
            return null;
        }
        catch (ArgumentException unusable)
        {
            return unusable.Message;
        }
    }
}
