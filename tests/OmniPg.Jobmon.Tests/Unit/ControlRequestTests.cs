namespace OmniPg.Jobmon.Tests.Unit;

public sealed class ControlRequestTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Work_whose_caller_has_given_up_is_not_done_any_more(bool async)
    {
        var done = false;
        var request = new ControlRequest(_ => done = true);

        await request.Awaiting(r => r.WaitAsync(async, TimeSpan.FromMilliseconds(1), TimeProvider.System, Stop).AsTask()).Should().ThrowAsync<TimeoutException>();
        request.Execute(default);

        done.Should().BeFalse("a lock taken now would be held by nobody until the process ends");
    }

    [Fact]
    public async Task Answer_in_time_is_handed_over()
    {
        var request = new ControlRequest(_ => true);

        request.Execute(default);

        (await request.WaitAsync(async: true, TimeSpan.FromSeconds(30), TimeProvider.System, Stop)).Should().BeTrue();
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public async Task Work_whose_caller_gives_up_meanwhile_is_undone(bool answer, int times)
    {
        var undone = 0;
        using var began = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        var request = new ControlRequest(
            _ =>
            {
                began.Set();
                goOn.Wait(Stop);
                return answer;
            },
            undo: _ => undone++);

        var executing = Task.Run(() => request.Execute(default), Stop);
        began.Wait(Stop);
        await request.Awaiting(r => r.WaitAsync(async: true, TimeSpan.FromMilliseconds(1), TimeProvider.System, Stop).AsTask()).Should().ThrowAsync<TimeoutException>();
        goOn.Set();
        await executing;

        undone.Should().Be(times, "a lock that nobody waits for any more would stay until the process ends");
    }

    [Fact]
    public async Task Work_that_has_to_be_done_is_done_although_its_caller_has_given_up()
    {
        var done = false;
        var request = new ControlRequest(_ => done = true, always: true);

        await request.Awaiting(r => r.WaitAsync(async: true, TimeSpan.FromMilliseconds(1), TimeProvider.System, Stop).AsTask()).Should().ThrowAsync<TimeoutException>();
        request.Execute(default);

        done.Should().BeTrue();
    }
}
