using OmniPg.Jobmon;

namespace Snippets;

#region jobmon-tested
public sealed class NightlyLoad(IJobmon jobmon)
{
    public Task RunAsync(IReadOnlyList<string> rows, CancellationToken cancellationToken = default) =>
        jobmon.RunAsync("nightly load", async (job, ct) =>
        {
            await using var step = await job.StepAsync("load", ct);
            foreach (var row in step.Each(rows))
                job.Count("bytes", int.Parse(row));
            await step.CompleteAsync($"Rows affected: {rows.Count}", cancellationToken: ct);
        }, cancellationToken: cancellationToken);
}
#endregion

/// <summary>How a user tests the class above; any test framework does.</summary>
internal static class JobmonTestSnippets
{
    public static async Task Test()
    {
        #region jobmon-test
        var jobmon = new RecordingJobmon();

        await new NightlyLoad(jobmon).RunAsync(["10", "32"]);

        RecordedJob job = jobmon.Jobs.Single();
        Assert.Equal("OK", job.Status);
        Assert.Equal("Rows affected: 2", job.Step("load").Message);
        Assert.Equal(2, job.Step("load").Progress?.Current);
        Assert.Equal(42, job.Counters["bytes"]);
        #endregion
    }

    public static async Task TestFailure()
    {
        #region jobmon-test-failure
        var jobmon = new RecordingJobmon();

        await Assert.ThrowsAsync<FormatException>(() => new NightlyLoad(jobmon).RunAsync(["10", "many"]));

        RecordedJob job = jobmon.Jobs.Single();
        Assert.Equal(JobState.Failed, job.State);
        Assert.IsType<FormatException>(job.Error);
        Assert.Equal(1, job.Step("load").Progress?.Current);   // where it stopped
        #endregion
    }

    /// <summary>Stands for the test framework of the reader.</summary>
    private static class Assert
    {
        public static void Equal(object? expected, object? actual)
        {
            if (!Equals(Convert.ToString(expected, null), Convert.ToString(actual, null)))
                throw new InvalidOperationException($"Expected '{expected}', but found '{actual}'.");
        }

        public static void IsType<T>(object? value) => ArgumentNullException.ThrowIfNull(value is T ? value : null);

        public static async Task ThrowsAsync<T>(Func<Task> action)
            where T : Exception
        {
            try
            {
                await action();
            }
            catch (T)
            {
                return;
            }

            throw new InvalidOperationException($"No '{typeof(T)}' was thrown.");
        }
    }
}
