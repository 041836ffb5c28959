"""The same without pytest: a server for the class, reset for each test."""

import unittest

from modelgates_speech import ModelGates, RateLimitError
from modelgates_speech.stub import StubServer


class GreetingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stub = cls.enterClassContext(StubServer())

    def setUp(self):
        self.stub.reset()
        self.client = self.enterContext(
            ModelGates(base_url=self.stub.base_url, api_key=self.stub.api_key)
        )

    def greet(self):
        return self.client.audio.speech.create(model="any/model", voice="alloy", input="Hello")

    def test_it_speaks(self):
        self.assertGreater(self.greet().duration, 0.3)
        self.stub.assert_called(times=1, input="Hello")

    def test_it_gives_up_when_the_limit_stays_reached(self):
        self.stub.fail_next(429, times=3, retry_after=0)
        with self.assertRaises(RateLimitError):
            self.greet()
        self.stub.assert_called(times=3, status=429)


if __name__ == "__main__":
    unittest.main()
