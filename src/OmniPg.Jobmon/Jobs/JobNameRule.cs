using System.Text;

namespace OmniPg.Jobmon;

/// <summary>What a job may be called.</summary>
internal static class JobNameRule
{
    /// <exception cref="ArgumentException">The name is empty, blank or too long.</exception>
    public static void Check(string jobName, int maxBytes)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        if (Encoding.UTF8.GetByteCount(jobName) is var bytes && bytes > maxBytes)
            throw new ArgumentException($"The job name has '{bytes}' bytes, allowed are '{maxBytes}'.", nameof(jobName));
    }
}
