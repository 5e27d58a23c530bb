using Microsoft.Extensions.Options;

namespace OmniPg.Extractor.DependencyInjection;

/// <summary>Reports every wrong option at once.</summary>
internal sealed class ExtractorOptionsValidator : IValidateOptions<ExtractorOptions>
{
    // pg_dump takes the limit as an int of milliseconds.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(int.MaxValue);

    public ValidateOptionsResult Validate(string? name, ExtractorOptions options)
    {
        var failures = new List<string>();
        if (options.LockTimeout != Timeout.InfiniteTimeSpan && (options.LockTimeout < TimeSpan.FromMilliseconds(1) || options.LockTimeout > LongestWait))
            failures.Add($"LockTimeout is '{options.LockTimeout}', it must lie between 1 ms and {LongestWait}.");
        if (options.Retries is < 0 or > 10)
            failures.Add($"Retries is '{options.Retries}', it must lie between 0 and 10.");
        if (string.IsNullOrWhiteSpace(options.Encoding))
            failures.Add("Encoding is empty, it must name an encoding of PostgreSQL.");
        if (options.Tools is null)
            failures.Add("Tools is null.");
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}
