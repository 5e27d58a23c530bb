using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>Waits on a condition with a deadline: the replacement of sleeps in tests.</summary>
public static class Eventually
{
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromMinutes(2);

    /// <summary>Waits until a condition holds.</summary>
    /// <param name="condition">Asked again and again, with a short pause between.</param>
    /// <param name="what">What is waited for, for the error message.</param>
    /// <param name="limit">Deadline; <see langword="null"/> is two minutes.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that ends when the condition holds.</returns>
    /// <exception cref="TimeoutException">It did not come true in time.</exception>
    public static async Task TrueAsync(
        Func<Task<bool>> condition, string what, TimeSpan? limit = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > (limit ?? DefaultLimit))
                throw new TimeoutException($"Waited {clock.Elapsed.TotalSeconds:0} s in vain: {what}.");
            await Task.Delay(15, cancellationToken);
        }
    }

    /// <summary>Waits until a condition holds.</summary>
    /// <param name="condition">Asked again and again, with a short pause between.</param>
    /// <param name="what">What is waited for, for the error message.</param>
    /// <param name="limit">Deadline; <see langword="null"/> is two minutes.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that ends when the condition holds.</returns>
    /// <exception cref="TimeoutException">It did not come true in time.</exception>
    public static Task TrueAsync(Func<bool> condition, string what, TimeSpan? limit = null, CancellationToken cancellationToken = default) =>
        TrueAsync(() => Task.FromResult(condition()), what, limit, cancellationToken);
}
