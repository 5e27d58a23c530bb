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
}
