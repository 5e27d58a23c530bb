using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class FileLockTests
{
    [Fact]
    public void One_holder_at_a_time_and_nothing_is_left_behind()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Combine("lock");

        using (var first = FileLock.TryAcquire(path))
        {
            first.Should().NotBeNull();
            first!.Note("4711\n"u8);
            FileLock.TryAcquire(path).Should().BeNull();
            FileLock.IsHeld(path).Should().BeTrue();
            FileLock.ReadNote(path).Should().Equal("4711\n"u8.ToArray());
        }

        File.Exists(path).Should().BeFalse();
        FileLock.IsHeld(path).Should().BeFalse();
        FileLock.ReadNote(path).Should().BeEmpty();
        using var second = FileLock.TryAcquire(path);
        second.Should().NotBeNull();
    }

    [Fact]
    public async Task Two_never_hold_it_together_while_many_come_and_go()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Combine("lock");
        var (inside, together, turns) = (0, 0, 0);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 300; i++)
            {
                using var held = FileLock.TryAcquire(path);
                if (held is null)
                    continue;
                if (Interlocked.Increment(ref inside) > 1)
                    Interlocked.Increment(ref together);
                Interlocked.Increment(ref turns);
                Interlocked.Decrement(ref inside);
            }
        }, TestContext.Current.CancellationToken)));

        together.Should().Be(0);
        turns.Should().BePositive();
    }

    [Fact]
    public void A_directory_that_is_not_there_is_trouble_and_not_a_holder()
    {
        var acquire = () => FileLock.TryAcquire("/nonexistent/omnipg/lock");

        acquire.Should().Throw<DirectoryNotFoundException>();
        FileLock.IsHeld("/nonexistent/omnipg/lock").Should().BeFalse();
    }
}
