namespace OmniPg.Shared.Tests;

public sealed class SyncCallTests
{
    [Fact]
    public void A_call_that_is_complete_gives_its_answer_or_its_exception()
    {
        SyncCall.Run(ValueTask.FromResult(7)).Should().Be(7);
        SyncCall.Run(ValueTask.CompletedTask);
        FluentActions.Invoking(() => SyncCall.Run(ValueTask.FromException(new FormatException("own")))).Should().Throw<FormatException>().WithMessage("own");
    }

    [Fact]
    public void A_call_that_went_asynchronous_is_refused_and_not_waited_for()
    {
        var never = new TaskCompletionSource<int>();

        FluentActions.Invoking(() => SyncCall.Run(new ValueTask<int>(never.Task))).Should().Throw<InvalidOperationException>();
        FluentActions.Invoking(() => SyncCall.Run(new ValueTask((Task)never.Task))).Should().Throw<InvalidOperationException>();
    }

    [Theory]
    [InlineData(true, "DisposeAsync")]
    [InlineData(false, "Dispose")]
    public async Task What_was_opened_is_closed_in_the_world_of_the_call(bool async, string expected)
    {
        var opened = new Opened();

        await SyncCall.CloseAsync(async, opened);

        opened.Closed.Should().Equal(expected);
    }

    private sealed class Opened : IAsyncDisposable, IDisposable
    {
        public List<string> Closed { get; } = [];

        public void Dispose() => Closed.Add(nameof(Dispose));

        public ValueTask DisposeAsync()
        {
            Closed.Add(nameof(DisposeAsync));
            return ValueTask.CompletedTask;
        }
    }
}
